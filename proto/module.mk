# Linked by the programs that name it; no program of its own.
