# One program for every channel that needs no library of its own.
PROGS += channeld
channeld_MAIN := channeld/main.c
channeld_LIBS := channeld common proto
channeld_PKGS := libevent_core openssl jansson sqlite3 md4c
