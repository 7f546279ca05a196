PROGS += gatewayd-store
gatewayd-store_MAIN := gatewayd/store/main.c
gatewayd-store_LIBS := gatewayd common proto
gatewayd-store_PKGS := libevent_core openssl sqlite3
