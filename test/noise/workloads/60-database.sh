# PostgreSQL, Redis and SQLite do work.
pg=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
mkdir -p /srv/pg && chown postgres /srv/pg
su postgres -s /bin/sh -c "$pg/initdb -D /srv/pg/data > /dev/null && $pg/pg_ctl -D /srv/pg/data -o '-k /srv/pg -h 127.0.0.1 -p 54999' -l /srv/pg/log -w start"
su postgres -s /bin/sh -c "$pg/createdb -h /srv/pg -p 54999 bench; $pg/pgbench -q -i -s 2 -h /srv/pg -p 54999 bench; $pg/pgbench -c 4 -T 8 -h /srv/pg -p 54999 bench; $pg/pg_dump -h /srv/pg -p 54999 bench > /srv/pg/dump.sql; $pg/psql -h /srv/pg -p 54999 bench -c 'vacuum full'"
su postgres -s /bin/sh -c "$pg/pg_ctl -D /srv/pg/data -w stop"
redis-server --port 54998 --bind 127.0.0.1 --dir /srv --daemonize yes
sleep 0.5
for i in $(seq 1 100); do redis-cli -p 54998 set k$i $i; done > /dev/null
redis-cli -p 54998 bgsave; redis-cli -p 54998 shutdown
sqlite3 /srv/x.db 'create table t(a); insert into t values (1), (2); select count(*) from t;'
