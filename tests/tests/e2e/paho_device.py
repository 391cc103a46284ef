"""A device on paho-mqtt: publishes `count` readings of each kind and ends when all of them are acked.

usage: paho_device.py PORT 311|5 COUNT
"""

import datetime
import sys
import time

import paho.mqtt.client as mqtt

port, version, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
name = f"paho-{version}"
if version == "5":
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    client = mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    arguments = {"clean_start": mqtt.MQTT_CLEAN_START_FIRST_ONLY, "properties": properties}
else:
    client = mqtt.Client(client_id=name, protocol=mqtt.MQTTv311, clean_session=False)
    arguments = {}
client.reconnect_delay_set(min_delay=1, max_delay=1)
client.max_inflight_messages_set(50)
client.max_queued_messages_set(0)
# By mid: a message that is queued without a connection says "not connected" when it is asked itself.
acked = set()
client.on_publish = lambda _client, _data, mid: acked.add(mid)
client.connect("127.0.0.1", port, keepalive=10, **arguments)
client.loop_start()

base = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)
pending = []
for n in range(1, count + 1):
    moment = (base + datetime.timedelta(milliseconds=n)).isoformat(timespec="milliseconds")
    for qos in (1, 2):
        timed = '{"time": "%s", "pulses/timed-%d": %d}' % (moment, qos, n)
        pending.append(client.publish(f"pantau/{name}", timed, qos=qos).mid)
        pending.append(client.publish(f"pantau/{name}/pulses/plain-{qos}", str(n), qos=qos).mid)
    if n % 100 == 0:
        time.sleep(0.05)
deadline = time.monotonic() + 100
while not acked.issuperset(pending):
    if time.monotonic() > deadline:
        sys.exit("not everything was acked")
    time.sleep(0.01)
client.disconnect()
client.loop_stop()
print(f"{len(pending)} publishes acked")
