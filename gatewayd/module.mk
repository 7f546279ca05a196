# The supervisor and its roles.  The supervisor itself links libevent and
# libcap only; tests check that it stays so.
PROGS += gatewayd
gatewayd_MAIN := gatewayd/main.c
gatewayd_LIBS := gatewayd common proto
gatewayd_PKGS := libevent_core libcap
