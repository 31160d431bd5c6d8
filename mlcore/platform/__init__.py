"""The local platform: an embedded PostgreSQL and Airflow's four services, supervised, under one home folder.

layout        where everything lies under the home folder
processes     processes by pid and start time; finding and ending what belongs to one home
locks         files that only living processes can hold
privileges    which account the postmaster runs as, when started by root
postgres      the embedded server and who uses it       keeper    the process that owns the postmaster
databases     databases that exist, and are migrated
credentials   secrets that are generated once
environment   the environment Airflow runs with
children      one supervised service                    supervisor  the process that owns all of them
state         what the supervisor writes down, and `mlcore status` reads
doctor        what could be wrong, and its remedy
"""
