# Programs of this family.
PROGS += modeld
modeld_MAIN := agentd/modeld_main.c
modeld_LIBS := agentd common proto
modeld_PKGS := libevent_core openssl
