# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The Python that runs the tests: the one that the packages of
etc/packages.check belong to, whatever `python3` is in the PATH of the caller.
The only place that names it; who starts another Python starts sys.executable.
"""
import os
import sys

PYTHON = "/usr/bin/python3"


def use():
    """The first call of a script: goes on below that Python.  Where it is not
    installed, the caller's is as good as any."""
    if sys.executable != PYTHON and os.access(PYTHON, os.X_OK):
        os.execv(PYTHON, [PYTHON, *sys.orig_argv[1:]])
