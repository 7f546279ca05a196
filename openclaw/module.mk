# The command line.  Of gatewayd it takes the table of configuration keys.
PROGS += openclaw
openclaw_MAIN := openclaw/main.c
openclaw_LIBS := openclaw gatewayd common proto
openclaw_PKGS := libevent_core openssl jansson
