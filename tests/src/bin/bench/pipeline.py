"""What many do without Pantau: paho-mqtt takes JSON from a broker, influxdb-client writes it on in batches.

usage: pipeline.py MQTT_PORT HTTP_PORT
"""

import json
import sys
from datetime import datetime

import paho.mqtt.client as mqtt
from influxdb_client import InfluxDBClient, WriteOptions

mqtt_port, http_port = int(sys.argv[1]), int(sys.argv[2])
influx = InfluxDBClient(url=f"http://127.0.0.1:{http_port}", token="-", org="-")
options = WriteOptions(batch_size=1000, flush_interval=1000)
writer = influx.write_api(write_options=options)


def on_message(_client, _data, message):
    device = message.topic.split("/")[1]
    body = json.loads(message.payload)
    time = datetime.fromisoformat(body.pop("time"))
    fields = ",".join(f"{name}={float(value)}" for name, value in body.items())
    stamp = round(time.timestamp() * 1000)
    writer.write(bucket="b", record=f"pipeline,device={device} {fields} {stamp}", write_precision="ms")


def on_connect(client, _data, _flags, _code):
    client.subscribe("pantau/#", qos=1)


def on_subscribe(_client, _data, _id, _qos):
    print("ready", flush=True)


client = mqtt.Client(client_id="pipeline", clean_session=False)
client.on_message, client.on_connect, client.on_subscribe = on_message, on_connect, on_subscribe
client.connect("127.0.0.1", mqtt_port)
client.loop_forever()
