PROGS += gatewayd-log
gatewayd-log_MAIN := gatewayd/log/main.c
gatewayd-log_LIBS := gatewayd common proto
gatewayd-log_PKGS := libevent_core
