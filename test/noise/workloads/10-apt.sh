# Packages are installed, upgraded, removed.
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends nginx-light cron logrotate sudo rsync tree sqlite3 redis-server
apt-get install -y -qq --reinstall tree
apt-get remove -y -qq tree
apt-get autoremove -y -qq
apt-cache search ripgrep
dpkg -l
dpkg -V logrotate || true
apt-get clean
