#!/bin/sh
# A picture of a room's lines in the window of iptux. Not for CI: somebody has to look at it. On Debian:
# apt-get install iptux xvfb imagemagick fonts-wqy-zenhei dbus
#
#   sh docs/record-iptux.sh target/debug/pigeon docs/iptux.png
set -eu
pigeon=$1 picture=$2
home=$(mktemp -d)
export HOME="$home" XDG_CONFIG_HOME="$home/config" DISPLAY=:71 PIGEON_STATE= LANG=C.UTF-8
hub=127.0.71.1 person=127.0.71.2 port=9471
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$home"' EXIT

mkdir -p "$home/.iptux" "$XDG_CONFIG_HOME/iptux"
cat > "$home/.iptux/config.json" <<JSON
{"nick_name": "阿爱", "belong_group": "一组", "bind_ip": "$person", "debug_dont_broadcast": true,
 "open_chat": true, "hide_startup": false, "open_transmission": false, "use_enter_key": true}
JSON
cp "$home/.iptux/config.json" "$XDG_CONFIG_HOME/iptux/config.json"

Xvfb "$DISPLAY" -screen 0 900x620x24 >/dev/null 2>&1 &
pids="$pids $!"
sleep 1
dbus-run-session -- iptux >"$home/iptux.log" 2>&1 &
pids="$pids $!"
sleep 3
"$pigeon" hub --listen "127.0.0.1:$port" --name 大厅 --language zh \
  --ipmsg "$hub" --ipmsg-scan "$person" --console off >"$home/hub.log" 2>&1 &
pids="$pids $!"
sleep 4
python3 - "$port" <<'PYTHON'
import socket, sys, time
member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in ["/nick 狗哥", "你好，我在用 nc 😀", "下午三点开会"]:
    member.sendto(line.encode(), ("127.0.0.1", int(sys.argv[1])))
    time.sleep(1.5)
PYTHON
sleep 2
import -window root -crop 736x567+0+0 +repage "$picture"
