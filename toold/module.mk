# Programs of this family.
PROGS += toold
toold_MAIN := toold/main.c
toold_LIBS := toold common proto
toold_PKGS := libevent_core jansson

PROGS += toold-files
toold-files_MAIN := toold/files_main.c
toold-files_LIBS := toold common proto
toold-files_PKGS := libevent_core
