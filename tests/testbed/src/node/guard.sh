# The outer half of `testbed node-exec`: makes a cgroup for the node, runs its inner half (inside.sh) in namespaces of
# its own, and removes what a namespace does not take with it: the cgroup and the folder.
# It does so also when the testbed was killed: then the pipe that is our standard input comes to its end.
# Arguments: NAME of the cgroup, FOLDER, "keep" or "remove", the text of inside.sh, COMMAND...
name=$1 folder=$2 keep=$3
shift 3

# Version 1 has a hierarchy for each controller (or several, as links), version 2 a single one.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  hierarchies=/sys/fs/cgroup
else
  hierarchies=$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d)
fi

tasks_left() {
  for hierarchy in $hierarchies; do
    [ -d "$hierarchy/$name" ] && find "$hierarchy/$name" -name cgroup.procs -exec cat {} + 2>/dev/null
  done
}

clean() {
  # The kernel kills everything in a PID namespace with its first process, but does not wait with telling us.
  tries=0
  while [ -n "$(tasks_left)" ] && [ $tries -lt 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
  for hierarchy in $hierarchies; do
    [ -d "$hierarchy/$name" ] && find "$hierarchy/$name" -depth -type d -exec rmdir {} \;
  done
  [ "$keep" = keep ] || rm -rf -- "$folder"
}

for hierarchy in $hierarchies; do
  mkdir "$hierarchy/$name" || { clean; exit 1; }
  # A new cpuset of version 1 takes no process before it has processors and memory.
  if [ -e "$hierarchy/$name/cpuset.mems" ] && [ "$hierarchy" != /sys/fs/cgroup ]; then
    cat "$hierarchy/cpuset.cpus" >"$hierarchy/$name/cpuset.cpus"
    cat "$hierarchy/cpuset.mems" >"$hierarchy/$name/cpuset.mems"
  fi
done

# The first process within moves itself to the cgroup; unshare, its parent out here, must not be in there, as it could
# not leave again, and a cgroup of version 2 that has processes can hand no controllers to the pods' own.
# shellcheck disable=SC2016 # expanded by that process
enter='for hierarchy in $1; do echo 0 >"$hierarchy/$2/cgroup.procs" || exit 1; done
shift 2
exec unshare --cgroup sh -c "$@"'

exec 3<&0
unshare --net --mount --pid --ipc --uts --fork --kill-child --mount-proc \
  sh -c "$enter" enter "$hierarchies" "$name" "$@" </dev/null 3<&- &
child=$!
(read -r _ <&3; kill -s KILL $child) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
# Without the shell's own word on a child that was killed.
wait $child 2>/dev/null
code=$?
kill $watcher 2>/dev/null
clean
exit $code
