# The supervisor and its roles.  The supervisor itself links libevent and
# libcap only; tests/lint checks that it stays so.
