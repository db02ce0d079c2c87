# Work with git.
export HOME=/root GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
mkdir -p /srv/git && cd /srv/git
git init -q --bare -b main origin.git
git clone -q origin.git work 2>&1
cd work
for i in $(seq 1 25); do echo $i > f$i; git add f$i; git commit -q -m "Change $i"; done
git push -q origin main
git checkout -q -b topic
sed -i s/1/2/ f1
git commit -q -am topic
git checkout -q main && git merge -q topic
git gc -q
git log --stat > /dev/null
git stash list; git grep -n password || true
cd .. && git clone -q origin.git second
