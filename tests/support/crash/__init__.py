"""The crash test: a stream of runs, pushes, rollbacks and collections, and SIGKILL to any of it at any moment.

world.py     an installation of its own: server, project, processes
moments.py   when to kill: at a random time, in a system call, while files are written, inside a transaction, after one
acts.py      what is done, and what must be found afterwards of what was acknowledged
storm.py     actors that act, some of which are killed; calamities of the database's server; a server that is asked
aftermath.py what must hold when all is quiet again

    PYTHONPATH=tests python -m support.crash --kills 300 --seed 1
"""
