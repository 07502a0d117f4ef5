# The inner half of `testbed node-exec`, the first process of its PID namespace: mounts and addresses that belong to
# this node alone, then the command. Whatever is mounted, configured or left running here goes with the namespaces.
# Arguments: ADDRESS of the node, SERVICES (the range of cluster IPs), COMMAND...
set -e
address=$1 services=$2
shift 2

# Kubelet wants mounts that propagate to the containers; unshare made them private, so this reaches nobody else.
mount --make-rshared /

# The hierarchies again, as seen from our own cgroup.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  umount -R /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A cgroup that hands controllers on may have no processes itself.
  mkdir /sys/fs/cgroup/testbed
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/testbed/cgroup.procs || true; done </sys/fs/cgroup/cgroup.procs
  sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
else
  hierarchies=$(awk '$2 ~ "^/sys/fs/cgroup/" && $3 ~ "^cgroup" { print $2, $3, $4 }' /proc/mounts)
  umount -R /sys/fs/cgroup
  mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
  echo "$hierarchies" | while read -r place kind options; do
    mkdir -p "$place"
    # What remains besides the general options are the controllers, or the name of a hierarchy without any.
    controllers=$(echo "$options" | tr , '\n' | grep -vxE 'rw|ro|nosuid|nodev|noexec|relatime|nsdelegate|memory_recursiveprot' | paste -sd , || true)
    mount -t "$kind" ${controllers:+-o "$controllers"} "$kind" "$place"
  done
fi

# Sockets and locks of containerd, runc and iptables, and fixed places of CNI and kubelet.
for place in /run /var/lib/cni /var/lib/kubelet /var/log/containers; do
  mkdir -p "$place"
  mount -t tmpfs -o mode=755 tmpfs "$place"
done
mkdir /run/lock

ip link set lo up
ip address add "$address/32" dev lo
# So that processes of the node, and not pods alone, reach Services.
ip route add "$services" dev lo src "$address"
echo 1 >/proc/sys/net/ipv4/ip_forward

# Not exec: the shell stays the first process and reaps those whose parent is gone.
status=0
"$@" || status=$?
exit $status
