# What a kernel of a test's own runs first: makes the machine usable, runs one test, and ends it.
#
#     own_kernel.sh TESTS NAME
#
# TESTS is the program of the interoperation tests, NAME the test's whole name.

echo "on a kernel of its own"

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PIGEON_REQUIRE_PEERS=1 PIGEON_ON_ITS_OWN_KERNEL=1

# These hide this machine's, in here only. `ip netns` keeps its names under /run.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
ip link set lo up

for module in net/sched/sch_prio net/sched/cls_u32 net/sched/sch_netem drivers/net/veth; do
    insmod "/usr/lib/uml/modules/$(uname -r)/kernel/$module.ko"
done

# What is sent at once when this has not run for a while must be lost to nothing but netem.
for buffer in rmem_max rmem_default; do
    echo 16777216 > /proc/sys/net/core/$buffer
done

# Ended in here if it hangs: killing the kernel from outside would leave its threads behind.
timeout 90 "$1" "$2" --exact --ignored --color never

# Off.
echo o > /proc/sysrq-trigger
sleep 10
