# Programs of this family.
PROGS += toold
toold_MAIN := toold/main.c
toold_LIBS := toold common proto
toold_PKGS := libevent_core jansson

PROGS += toold-files
toold-files_MAIN := toold/files_main.c
toold-files_LIBS := toold common proto
toold-files_PKGS := libevent_core

PROGS += toold-jailer
toold-jailer_MAIN := toold/jailer_main.c
toold-jailer_LIBS := toold common proto
toold-jailer_PKGS := libevent_core

PROGS += toold-fetch
toold-fetch_MAIN := toold/fetch/main.c
toold-fetch_LIBS := toold common proto
toold-fetch_PKGS := libevent_core openssl
