#!/usr/bin/env bash
# A one-node Ceph on loopback that keeps everything in memory, for trying slipway against a real S3 gateway.
#   eval "$(scripts/ceph.sh start)"   starts monitor, manager, OSD and gateway, makes a user and the bucket `slipway`, sets AWS_…
#   scripts/ceph.sh stop              stops what `start` started, by process id, and removes its folder
# Needs root and Debian's packages ceph-mon ceph-mgr ceph-osd radosgw (`start` says so if they are missing). About 700 MB of memory.
set -euo pipefail
cd "$(dirname "$0")/.."
state=target/test-ceph
key=slipwaydemo
secret=slipway-demo-secret
bucket=slipway

say() { echo "ceph: $*" >&2; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# until SECONDS COMMAND…: repeats a command until it succeeds
until_ok() {
  local left=$1 i
  shift
  for ((i = 0; i < left * 2; i++)); do
    if "$@" >>"$dir/setup.log" 2>&1; then return; fi
    sleep 0.5
  done
  say "gave up: $* (see $dir/setup.log)"
  exit 1
}

# launch NAME COMMAND…: starts a daemon in the foreground mode of Ceph and remembers its process id
launch() {
  local name=$1
  shift
  "$@" </dev/null >"$dir/$name.out" 2>&1 &
  echo $! >>"$dir/pids"
}

# put PATH: a PUT request signed with AWS signature version 4, which is how a bucket is made
put() {
  AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret python3 - "$1" <<'PY'
import datetime, hashlib, hmac, os, sys, urllib.parse, urllib.request

url = urllib.parse.urlsplit(sys.argv[1])
now = datetime.datetime.now(datetime.timezone.utc)
stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
scope = f"{day}/us-east-1/s3/aws4_request"
empty = hashlib.sha256(b"").hexdigest()
headers = {"host": url.netloc, "x-amz-content-sha256": empty, "x-amz-date": stamp}
names = ";".join(headers)
lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
request = f"PUT\n{url.path}\n\n{lines}\n{names}\n{empty}"
text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
sign = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for part in (day, "us-east-1", "s3", "aws4_request", text):
    sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={sign.hex()}"
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="PUT", headers=headers), timeout=10)
PY
}

start() {
  if [ -f "$state" ]; then
    say "runs already, in $(cat "$state")"
    exit 1
  fi
  for program in ceph-mon ceph-mgr ceph-osd radosgw radosgw-admin; do
    command -v $program >/dev/null || { say "apt-get install --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw"; exit 1; }
  done
  dir=$(mktemp -d /tmp/slipway-ceph.XXXXXX)
  mkdir -p target "$dir/mon" "$dir/mgr" "$dir/osd" "$dir/rgw" "$dir/run"
  echo "$dir" >"$state"
  trap 'status=$?; if [ $status != 0 ]; then stop; fi' EXIT
  local fsid mon_port rgw_port
  fsid=$(cat /proc/sys/kernel/random/uuid)
  mon_port=$(free_port)
  rgw_port=$(free_port)
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$mon_port
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = 16800
ms bind port max = 17300
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
run dir = $dir/run
pid file = $dir/run/\$type.\$id.pid
admin socket = $dir/run/\$type.\$id.asok
log file = $dir/\$type.\$id.log
crash dir = $dir
keyring = $dir/keyring
[mon.a]
mon data = $dir/mon
[mgr.x]
mgr data = $dir/mgr
keyring = $dir/mgr/keyring
[osd.0]
osd data = $dir/osd
keyring = $dir/osd/keyring
[client.rgw.a]
rgw data = $dir/rgw
keyring = $dir/rgw/keyring
rgw frontends = beast endpoint=127.0.0.1:$rgw_port
CONF
  export CEPH_CONF=$dir/ceph.conf
  {
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n client.admin \
      --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool --create-keyring "$dir/mon.keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$dir/mon.keyring" --import-keyring "$dir/keyring"
    monmaptool --create --addv a "[v2:127.0.0.1:$mon_port]" --fsid "$fsid" "$dir/monmap"
    ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/mon.keyring"
  } >>"$dir/setup.log" 2>&1
  launch mon ceph-mon -f -i a
  until_ok 30 timeout 5 ceph -s
  ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' mds 'allow *' -o "$dir/mgr/keyring" >>"$dir/setup.log" 2>&1
  launch mgr ceph-mgr -f -i x
  local uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  {
    ceph-authtool --create-keyring "$dir/osd/keyring" --gen-key -n osd.0
    ceph osd new "$uuid" 0 -i <(printf '{"cephx_secret": "%s"}' "$(ceph-authtool -p -n osd.0 "$dir/osd/keyring")")
    ceph-osd --mkfs -i 0 --osd-uuid "$uuid"
  } >>"$dir/setup.log" 2>&1
  launch osd ceph-osd -f -i 0
  until_ok 30 timeout 5 ceph osd crush add osd.0 1.0 root=default host=localhost
  ceph auth get-or-create client.rgw.a mon 'allow rw' osd 'allow rwx' -o "$dir/rgw/keyring" >>"$dir/setup.log" 2>&1
  launch rgw radosgw -f -n client.rgw.a
  until_ok 120 timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$rgw_port"
  radosgw-admin user create --uid slipway --display-name slipway --access-key $key --secret-key $secret >>"$dir/setup.log" 2>&1
  until_ok 30 put "http://127.0.0.1:$rgw_port/$bucket"
  trap - EXIT
  say "$(radosgw --version | cut -d' ' -f1-3) serves s3://$bucket on port $rgw_port"
  cat <<EXPORTS
export AWS_ENDPOINT='http://127.0.0.1:$rgw_port'
export AWS_ALLOW_HTTP=true
export AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=$key
export AWS_SECRET_ACCESS_KEY=$secret
EXPORTS
}

stop() {
  [ -f "$state" ] || return 0
  dir=$(cat "$state")
  local pids=() pid
  if [ -f "$dir/pids" ]; then mapfile -t pids <"$dir/pids"; fi
  # the gateway first, the monitor last
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    pid=${pids[i]}
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 20); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$dir" "$state"
}

"${1:?start or stop}"
