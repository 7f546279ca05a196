# Programs of this family.
PROGS += modeld
modeld_MAIN := agentd/modeld_main.c
modeld_LIBS := agentd common proto
modeld_PKGS := libevent_core openssl
PROGS += agentd
agentd_MAIN := agentd/main.c
# Of gatewayd it takes JSON5, which skills have in their front matter.
agentd_LIBS := agentd gatewayd common proto
agentd_PKGS := libevent_core jansson sqlite3
