# The command line.
PROGS += openclaw
openclaw_MAIN := openclaw/main.c
openclaw_LIBS := openclaw common proto
openclaw_PKGS := libevent_core openssl jansson
