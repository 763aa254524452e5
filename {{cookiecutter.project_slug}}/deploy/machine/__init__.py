"""What `deploy/installer.py` is made of, by subject.

A module imports only modules in the lines below its own:

switch           from what serves to a release, and back
shared, health   the account, its directories, settings; does a release start and answer
owner, releases  whose is what is here; build, find and remove releases
units, sites     the systemd units; the nginx sites on this machine, and their logs
needs, logs      what is refused before anything changes; the logs of a failure
nginx, steps     the text of nginx sites; how steps are done and undone
commands, files  commands and signals; files that change in one instant
messages         lines and errors for the user
names            paths, and what is called by the name of the instance
"""
