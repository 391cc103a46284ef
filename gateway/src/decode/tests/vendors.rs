//! The ready-made profiles, by payloads as their documentation shows them.

use pantau_proto::Flags;

use super::*;

fn series(readings: &[Found]) -> Vec<(&str, &str, f64)> {
    readings.iter().map(|(name, unit, _, value)| (name.as_str(), unit.as_str(), *value)).collect()
}

fn fields(format: Format, topics: &str, fields: &[(&str, &str)]) -> Decoder {
    let mut rule = DecodeRule::new(topics, format);
    rule.fields = fields.iter().map(|(path, to)| ((*path).to_owned(), (*to).to_owned())).collect();
    check(&rule).unwrap();
    Decoder::new(&[rule])
}

const SENSOR: &[u8] = br#"{"Time":"2026-11-24T14:00:00","BME280":{"Temperature":81.5,"Humidity":71.0,"DewPoint":70.1,"Pressure":756.1},"SR04":{"Distance":123.4},"ENERGY":{"TotalStartTime":"2026-01-01T00:00:00","Total":12.345,"Yesterday":0.5,"Today":0.2,"Power":[60,0],"ApparentPower":[70,0],"Factor":0.9,"Voltage":230,"Current":[0.26,0.00]},"COUNTER":{"C1":17},"Switch1":"ON","TempUnit":"F","PressureUnit":"mmHg"}"#;

#[test]
fn a_tasmota_payload_has_local_time_and_units_of_its_own() {
    let (readings, refusal) = decode_by(&only("tele/#", Format::Tasmota), "tele/plug-1/SENSOR", SENSOR);
    assert_eq!(refusal, None);
    assert_eq!(
        series(&readings),
        [
            ("plug-1/air_temperature", "[degF]", 81.5),
            ("plug-1/relative_humidity", "%", 71.0),
            ("plug-1/dew_point", "[degF]", 70.1),
            ("plug-1/air_pressure", "mmHg", 756.1),
            ("plug-1/distance", "cm", 123.4),
            ("plug-1/power/1", "W", 60.0),
            ("plug-1/power/2", "W", 0.0),
            ("plug-1/voltage", "V", 230.0),
            ("plug-1/current/1", "A", 0.26),
            ("plug-1/current/2", "A", 0.0),
            ("plug-1/energy", "kWh", 12.345),
            ("plug-1/pulses/1", "", 17.0),
            ("plug-1/switch/1", "", 1.0),
        ]
    );
    assert!(readings.iter().all(|reading| reading.2 == 1_795_503_600_000), "{readings:?}");
    let mut rule = DecodeRule::new("tele/+/SENSOR", Format::Tasmota);
    rule.zone = Some("WITA".into());
    let (readings, _) = decode_by(&Decoder::new(&[rule]), "tele/plug-1/SENSOR", SENSOR);
    assert_eq!(readings[0].2, 1_795_503_600_000 - 3_600_000);
}

#[test]
fn tasmotas_time_may_have_a_zone_be_an_epoch_or_not_be_known_yet() {
    let decoder = only("tele/#", Format::Tasmota);
    let time = |members: &str| {
        let payload = format!("{{{members}\"AM2301\":{{\"Temperature\":27}}}}");
        decode_by(&decoder, "tele/a/SENSOR", payload.as_bytes()).0[0].2
    };
    assert_eq!(time("\"Time\":\"2026-11-24T07:00:00Z\","), 1_795_503_600_000);
    assert_eq!(time("\"Time\":\"2026-11-24T16:00:00+09:00\","), 1_795_503_600_000);
    assert_eq!(time("\"Time\":\"2026-11-24T01:00:00\",\"Epoch\":1795503600,"), 1_795_503_600_000);
    assert_eq!(time("\"Time\":1795503600,"), 1_795_503_600_000);
    assert_eq!(time("\"Time\":\"1970-01-01T00:00:12\","), UNTIMED);
    assert_eq!(time("\"Epoch\":12,"), UNTIMED);
    assert_eq!(time(""), UNTIMED);
    let (readings, refusal) =
        decode_by(&decoder, "tele/a/SENSOR", br#"{"Time":"noon","AM2301":{"Temperature":27}}"#);
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("noon"));
}

#[test]
fn tasmota_sensors_of_a_kind_become_channels_that_do_not_change_when_one_fails() {
    let decoder = only("tele/#", Format::Tasmota);
    let two = br#"{"DS18B20-1":{"Id":"0000089F3E6C","Temperature":27.1},"DS18B20-2":{"Id":"000008A1","Temperature":null},"BME280":{"Temperature":26.0}}"#;
    assert_eq!(
        series(&decode_by(&decoder, "tele/a/SENSOR", two).0),
        [("a/air_temperature/0000089F3E6C", "Cel", 27.1), ("a/air_temperature/BME280", "Cel", 26.0)]
    );
    let failed = br#"{"DHT11":{"Temperature":null},"BME280":{"Temperature":26.0}}"#;
    assert_eq!(
        series(&decode_by(&decoder, "tele/a/SENSOR", failed).0),
        [("a/air_temperature/BME280", "Cel", 26.0)]
    );
    let alone = br#"{"DS18B20":{"Id":"0000089F3E6C","Temperature":27.1}}"#;
    assert_eq!(series(&decode_by(&decoder, "tele/a/SENSOR", alone).0), [("a/air_temperature", "Cel", 27.1)]);
    let ours = fields(
        Format::Tasmota,
        "tele/#",
        &[("DS18B20.Temperature", "water_temperature"), ("ENERGY.Total", "-"), ("X.Level", "water_level cm")],
    );
    let payload = br#"{"DS18B20":{"Temperature":27.1},"ENERGY":{"Total":1},"X":{"Level":123}}"#;
    assert_eq!(
        series(&decode_by(&ours, "tele/a/SENSOR", payload).0),
        [("a/water_temperature", "", 27.1), ("a/water_level", "cm", 123.0)]
    );
}

#[test]
fn a_tasmota_field_that_names_its_unit_is_read_in_it() {
    let decoder = only("tele/#", Format::Tasmota);
    let payload =
        br#"{"SML":{"power_kw":1.2,"Wind_Speed_kmh":36,"pressure_kpa":100.8,"Temp_K":300},"TempUnit":"C"}"#;
    assert_eq!(
        series(&decode_by(&decoder, "tele/a/SENSOR", payload).0),
        [
            ("a/power", "kW", 1.2),
            ("a/wind_speed", "km/h", 36.0),
            ("a/air_pressure", "kPa", 100.8),
            ("a/air_temperature", "K", 300.0),
        ]
    );
}

#[test]
fn tasmotas_state_and_last_will_are_read() {
    let decoder = only("+/tele/#", Format::Tasmota);
    let state = br#"{"Time":"2026-11-24T14:00:00","Uptime":"0T00:10","Heap":25,"POWER1":"ON","POWER2":"OFF","Wifi":{"RSSI":74,"Signal":-63}}"#;
    assert_eq!(
        series(&decode_by(&decoder, "plug/tele/STATE", state).0),
        [("plug/switch/1", "", 1.0), ("plug/switch/2", "", 0.0), ("plug/signal_strength", "dBm", -63.0)]
    );
    assert_eq!(decode_by(&decoder, "plug/tele/LWT", b"Offline"), (Vec::new(), None));
    let online = decoder.online();
    assert_eq!((online.offline, online.named[0].name.as_str(), online.named[0].since), (1, "plug", ARRIVAL));
    assert_eq!(decode_by(&decoder, "plug/tele/LWT", b"Online"), (Vec::new(), None));
    assert_eq!((decoder.online().online, decoder.online().offline), (1, 0));
    assert_eq!(decode_by(&decoder, "plug/tele/LWT", b"Perhaps").1.unwrap().reason, Reason::BadPayload);
    assert_eq!(decode_by(&decoder, "plug/tele/UPTIME", b"{}"), (Vec::new(), None));
    assert_eq!(decode_by(&decoder, "plug/tele/WHAT", b"{}").1.unwrap().reason, Reason::BadName);
}

#[test]
fn zigbee2mqtt_fields_are_flat_and_last_seen_has_three_forms() {
    let decoder = only("zigbee2mqtt/#", Format::Zigbee2mqtt);
    for last_seen in [
        "\"2026-11-24T07:00:00.000Z\"",
        "\"2026-11-24T14:00:00+07:00\"",
        "1795503600000",
        "\"1795503600000\"",
    ] {
        let payload = format!(
            r#"{{"temperature":27.41,"humidity":71.2,"pressure":1008,"battery":87,"voltage":2985,"linkquality":116,"temperature_calibration":0.5,"battery_low":false,"last_seen":{last_seen},"update":{{"installed_version":1}}}}"#
        );
        let (readings, refusal) = decode_by(&decoder, "zigbee2mqtt/0x00158d0001", payload.as_bytes());
        assert_eq!(refusal, None);
        assert_eq!(
            series(&readings),
            [
                ("0x00158d0001/air_temperature", "Cel", 27.41),
                ("0x00158d0001/relative_humidity", "%", 71.2),
                ("0x00158d0001/air_pressure", "hPa", 1008.0),
                ("0x00158d0001/battery", "%", 87.0),
                ("0x00158d0001/battery_voltage", "mV", 2985.0),
            ]
        );
        assert!(readings.iter().all(|reading| reading.2 == 1_795_503_600_000), "{last_seen}");
    }
    let plug = br#"{"state_left":"ON","state_right":"OFF","power":60,"voltage":230,"current":0.26,"energy":1.2,"last_seen":null}"#;
    let (readings, _) = decode_by(&decoder, "zigbee2mqtt/plug", plug);
    assert_eq!(
        series(&readings),
        [
            ("plug/switch/left", "", 1.0),
            ("plug/switch/right", "", 0.0),
            ("plug/power", "W", 60.0),
            ("plug/voltage", "V", 230.0),
            ("plug/current", "A", 0.26),
            ("plug/energy", "kWh", 1.2),
        ]
    );
    assert!(readings.iter().all(|reading| reading.2 == UNTIMED));
}

#[test]
fn a_device_level_is_where_the_rule_says_for_every_format() {
    let decoder = only("+/zigbee/{device}/#", Format::Zigbee2mqtt);
    assert_eq!(decode_by(&decoder, "hall/zigbee/plug", b"{\"power\":1}").0[0].0, "plug/power");
    assert_eq!(decode_by(&decoder, "hall/zigbee/plug/availability", b"offline"), (Vec::new(), None));
    assert_eq!(decoder.online().named[0].name, "plug");
    let decoder = only("city/+/{device}", Format::PantauJson);
    assert_eq!(decode_by(&decoder, "city/north/s1", b"{\"pm10\":1}").0[0].0, "s1/pm10");
}

#[test]
fn only_what_is_a_devices_name_is_followed_as_online_or_not() {
    let decoder = Decoder::new(&[
        DecodeRule::new("tele/#", Format::Tasmota),
        DecodeRule::new("zigbee2mqtt/#", Format::Zigbee2mqtt),
    ]);
    let long = "x".repeat(1_000);
    for topic in [format!("tele/{long}/LWT"), "tele/living room/LWT".into()] {
        assert_eq!(decode_by(&decoder, &topic, b"Offline").1.unwrap().reason, Reason::BadName);
    }
    let refusal = decode_by(&decoder, "zigbee2mqtt/living room/availability", b"offline").1.unwrap();
    assert_eq!(refusal.reason, Reason::BadName);
    assert_eq!(decoder.online(), Online::default());
}

#[test]
fn zigbee2mqtts_availability_bridge_and_names_are_known() {
    let decoder = only("zigbee2mqtt/#", Format::Zigbee2mqtt);
    for (payload, offline) in [
        (&b"{\"state\":\"offline\"}"[..], 1),
        (b"online", 0),
        (b"offline", 1),
        (b"{\"state\":\"online\"}", 0),
    ] {
        assert_eq!(decode_by(&decoder, "zigbee2mqtt/plug/availability", payload), (Vec::new(), None));
        assert_eq!(decoder.online().offline, offline);
    }
    assert_eq!(decode_by(&decoder, "zigbee2mqtt/bridge/devices", b"[]"), (Vec::new(), None));
    assert_eq!(decode_by(&decoder, "zigbee2mqtt/plug/set", b"{}"), (Vec::new(), None));
    let refusal = decode_by(&decoder, "zigbee2mqtt/floor/plug", b"{\"power\":1}").1.unwrap();
    assert!(refusal.reason == Reason::BadName && refusal.detail.contains("rename"), "{refusal:?}");
    let refusal = decode_by(&decoder, "zigbee2mqtt/living room", b"{\"power\":1}").1.unwrap();
    assert_eq!(refusal.reason, Reason::BadName);
    assert!(decode_by(&decoder, "zigbee2mqtt/plug", b"ON").1.is_some());
}

#[test]
fn unknown_fields_are_told_only_where_nothing_else_was_read() {
    let decoder = only("zigbee2mqtt/#", Format::Zigbee2mqtt);
    assert_eq!(decode_by(&decoder, "zigbee2mqtt/a", b"{\"power\":1,\"wisdom\":2}").1, None);
    assert_eq!(decode_by(&decoder, "zigbee2mqtt/a", b"{\"linkquality\":1,\"wisdom\":2}").1, None);
    let refusal = decode_by(&decoder, "zigbee2mqtt/a", b"{\"wisdom\":2,\"no2\":3}").1.unwrap();
    assert_eq!(refusal.reason, Reason::UnknownQuantity);
    assert!(
        refusal.detail.contains("wisdom, no2") && refusal.detail.contains("[decode.fields]"),
        "{refusal:?}"
    );
    let said = decode_by(&decoder, "zigbee2mqtt/a", b"{\"no2_ppb\":3,\"wind_speed_kmh\":36,\"temp_f\":80}").0;
    assert_eq!(
        series(&said),
        [
            ("a/nitrogen_dioxide", "[ppb]", 3.0),
            ("a/wind_speed", "km/h", 36.0),
            ("a/air_temperature", "[degF]", 80.0)
        ]
    );
}

const UPLINK: &str = r#"{"end_device_ids":{"device_id":"lora-7","application_ids":{"application_id":"city"},"dev_eui":"70B3D57ED0000001"},"correlation_ids":["as:up:01"],"received_at":"2026-11-24T07:00:02.5Z","uplink_message":{"f_port":2,"f_cnt":7,"frm_payload":"AQID","decoded_payload":{"temperature":27.5,"TempC1":28.0,"BatV":3.61,"no2_ppb":12,"nested":{"humidity":70},"analog_in_1":4.2},"rx_metadata":[{"gateway_ids":{"gateway_id":"gw"},"time":"GWTIME","timestamp":1234,"rssi":-97,"snr":7.5,"location":{"latitude":1,"longitude":2}}],"settings":{"data_rate":{"lora":{"bandwidth":125000}}},"received_at":"2026-11-24T07:00:01Z"}}"#;

#[test]
fn the_things_stack_uplinks_take_the_gateways_time_unless_it_strays() {
    let decoder = only("v3/+/devices/{device}/#", Format::TheThingsStack);
    let uplink = |time: &str| {
        decode_by(&decoder, "v3/city@tenant/devices/lora-7/up", UPLINK.replace("GWTIME", time).as_bytes())
    };
    let (readings, refusal) = uplink("2026-11-24T07:00:00.123456789Z");
    assert_eq!(refusal, None);
    assert_eq!(
        series(&readings),
        [
            ("lora-7/air_temperature", "Cel", 27.5),
            ("lora-7/air_temperature/1", "Cel", 28.0),
            ("lora-7/battery_voltage", "V", 3.61),
            ("lora-7/nitrogen_dioxide", "[ppb]", 12.0),
            ("lora-7/relative_humidity/nested", "%", 70.0),
        ]
    );
    assert_eq!(readings[0].2, 1_795_503_600_123);
    assert_eq!(uplink("1980-01-06T00:00:00Z").0[0].2, 1_795_503_601_000, "a gateway without a clock");
    assert_eq!(uplink("what").0[0].2, 1_795_503_601_000);
    let without = UPLINK.replace(r#","received_at":"2026-11-24T07:00:01Z"}}"#, "}}").replace("GWTIME", "x");
    assert_eq!(decode_by(&decoder, "v3/a@t/devices/lora-7/up", without.as_bytes()).0[0].2, 1_795_503_602_500);
}

/// An uplink with these values.
fn uplink(values: &str) -> (Vec<Found>, Option<Refusal>) {
    let start = UPLINK.find("\"decoded_payload\"").unwrap();
    let end = UPLINK.find(",\"rx_metadata\"").unwrap();
    let payload = format!("{}\"decoded_payload\":{values}{}", &UPLINK[..start], &UPLINK[end..]);
    let decoder = only("v3/+/devices/{device}/#", Format::TheThingsStack);
    decode_by(&decoder, "v3/a@t/devices/lora-7/up", payload.as_bytes())
}

#[test]
fn two_fields_that_would_overwrite_each_other_are_not_both_taken() {
    // As codecs of sensors with a probe write it.
    let (readings, refusal) = uplink(r#"{"TempC_SHT":25.1,"TempC_DS":19.5,"Hum_SHT":56,"humidity":56}"#);
    assert_eq!(
        series(&readings),
        [("lora-7/air_temperature", "Cel", 25.1), ("lora-7/relative_humidity", "%", 56.0)]
    );
    let refusal = refusal.unwrap();
    assert_eq!(refusal.reason, Reason::UnknownQuantity);
    assert!(refusal.detail.starts_with("TempC_DS: lora-7/air_temperature has another"), "{refusal:?}");
    let probe =
        fields(Format::TheThingsStack, "v3/+/devices/{device}/#", &[("TempC_DS", "air_temperature/probe")]);
    let payload = UPLINK.replace("\"TempC1\":28.0", "\"TempC_DS\":19.5").replace("GWTIME", "x");
    let (readings, refusal) = decode_by(&probe, "v3/a@t/devices/lora-7/up", payload.as_bytes());
    assert_eq!((readings[1].0.as_str(), refusal), ("lora-7/air_temperature/probe", None));
}

#[test]
fn each_value_of_a_long_list_has_a_channel_of_its_own() {
    let list = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let (readings, refusal) = uplink(&format!("{{\"temp\":[{}]}}", list(100)));
    assert_eq!((readings.len(), refusal), (100, None));
    assert_eq!(readings[99].0, "lora-7/air_temperature/100");
    let (readings, refusal) = uplink(&format!("{{\"humidity\":5,\"x\":[{}]}}", list(MAX_READINGS + 1)));
    assert_eq!((readings.len(), refusal.unwrap().reason), (1, Reason::TooLarge));
}

#[test]
fn a_number_may_be_written_as_text_and_other_text_is_told() {
    let (readings, refusal) = uplink(r#"{"humidity":" 56.1","firmware":"1.2"}"#);
    assert_eq!((series(&readings), refusal), (vec![("lora-7/relative_humidity", "%", 56.1)], None));
    let (readings, refusal) = uplink(r#"{"TempC_DS":"0.00 C","firmware":"1.2"}"#);
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("TempC_DS"));
    let (readings, refusal) = uplink(r#"{"a":{"b":{"c":{"d":{"temp":1}}}}}"#);
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("a.b.c.d"));
}

#[test]
fn a_payload_that_is_one_long_name_is_not_read_again_and_again() {
    // Seconds of work before; what is checked is that nothing of it is kept.
    let long = "_".repeat(120_000);
    let z2m = only("z/#", Format::Zigbee2mqtt);
    let many = vec!["\"temp\":1"; 12_000].join(",");
    let (readings, refusal) = decode_by(&z2m, "z/a", format!("{{\"{long}\":{{{many}}}}}").as_bytes());
    assert_eq!((readings.len(), refusal.unwrap().reason), (0, Reason::BadName));
    let senml = only("senml/+", Format::SenmlJson);
    let pack = format!("[{{\"bn\":\"a{long}\",\"n\":\"temp\",\"v\":1}}]");
    assert!(decode_by(&senml, "senml/a", pack.as_bytes()).1.unwrap().detail.contains("1024 bytes"));
}

#[test]
fn what_the_things_stack_leaves_out_or_makes_up_is_said() {
    let decoder = only("v3/+/devices/{device}/#", Format::TheThingsStack);
    let topic = "v3/city@tenant/devices/lora-7/up";
    let refused = |payload: String| decode_by(&decoder, topic, payload.as_bytes()).1.unwrap().detail;
    let start = UPLINK.find("\"decoded_payload\"").unwrap();
    let end = UPLINK.find("\"rx_metadata\"").unwrap();
    let values = |text: &str| format!("{}{text}{}", &UPLINK[..start], &UPLINK[end..]);
    assert!(refused(values("\"decoded_payload\":{},")).contains("zero"));
    assert!(refused(values("")).contains("payload formatter"));
    let simulated = UPLINK.replacen('{', "{\"simulated\":true,", 1);
    assert!(refused(simulated.clone()).contains("simulated = \"flag\""));
    let mut rule = DecodeRule::new("v3/+/devices/{device}/#", Format::TheThingsStack);
    rule.simulated = Some(crate::config::Simulated::Flag);
    let (out, refusal) = columns(&Decoder::new(&[rule]), topic, simulated.as_bytes());
    assert_eq!((refusal, out.flags), (None, vec![u32::from(Flags::SIMULATED.0); 5]));
    assert_eq!(decode_by(&decoder, "v3/city@tenant/devices/lora-7/join", b"{"), (Vec::new(), None));
}

const EVENT: &str = r#"{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-11-24T07:00:00.5+00:00","deviceInfo":{"tenantName":"ChirpStack","deviceName":"name","devEui":"0101010101010101","tags":{"k":"v"}},"devAddr":"00189440","dr":1,"fPort":1,"data":"qg==","object":{"temperatureSensor":{"1":23.5},"humiditySensor":{"1":48,"2":51},"co2":{"value":612,"unit":"ppm"}},"rxInfo":[{"gatewayId":"0016c001f153a14c","rssi":-35,"snr":5.2}]}"#;

#[test]
fn a_chirpstack_uplink_that_comes_twice_is_taken_once() {
    let decoder = only("application/+/device/{device}/event/+", Format::Chirpstack);
    let topic = "application/1/device/0101010101010101/event/up";
    let (readings, refusal) = decode_by(&decoder, topic, EVENT.as_bytes());
    assert_eq!(refusal, None);
    assert_eq!(
        series(&readings),
        [
            ("0101010101010101/air_temperature/1", "Cel", 23.5),
            ("0101010101010101/relative_humidity/1", "%", 48.0),
            ("0101010101010101/relative_humidity/2", "%", 51.0),
            ("0101010101010101/carbon_dioxide", "ppm", 612.0),
        ]
    );
    assert_eq!(readings[0].2, 1_795_503_600_500);
    assert_eq!(decode_by(&decoder, topic, EVENT.as_bytes()), (Vec::new(), None));
    // Within one batch as well, and not while the spool has not taken the first.
    let other = EVENT.replace("3ac7e3c4", "3ac7e3c5");
    let mut out = Columns::default();
    let mut batch = decoder.batch();
    batch.decode(topic, other.as_bytes(), ARRIVAL, &mut out).unwrap();
    batch.decode(topic, other.as_bytes(), ARRIVAL, &mut out).unwrap();
    assert_eq!(out.len(), 4);
    drop(batch);
    let mut batch = decoder.batch();
    batch.decode(topic, other.as_bytes(), ARRIVAL, &mut out).unwrap();
    assert_eq!((out.len(), batch.commit()), (8, 0));
    let mut batch = decoder.batch();
    batch.decode(topic, other.as_bytes(), ARRIVAL, &mut out).unwrap();
    assert_eq!((out.len(), batch.commit()), (8, 1));
}

#[test]
fn a_frame_that_brings_readings_and_a_status_or_is_relayed_is_not_its_own_repeat() {
    // ChirpStack gives all events of one radio frame the same id.
    let decoder = only("application/+/device/{device}/event/+", Format::Chirpstack);
    let status = br#"{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-11-24T07:00:00.5+00:00","deviceInfo":{"devEui":"0101010101010101"},"batteryLevel":75.5}"#;
    let topic = |event| format!("application/1/device/0101010101010101/event/{event}");
    assert_eq!(decode_by(&decoder, &topic("status"), status).0.len(), 1);
    assert_eq!(decode_by(&decoder, &topic("up"), EVENT.as_bytes()).0.len(), 4);
    let relayed = EVENT.replace("0101010101010101", "0202020202020202");
    assert_eq!(decode_by(&decoder, &topic("up"), relayed.as_bytes()).0.len(), 4);
    assert_eq!(decode_by(&decoder, &topic("up"), relayed.as_bytes()).0.len(), 0);
}

#[test]
fn an_uplink_that_is_too_large_is_not_taken_for_the_message_behind_it() {
    let up = DecodeRule::new("application/+/device/{device}/event/+", Format::Chirpstack);
    let decoder = Decoder::new(&[up, DecodeRule::new("pantau/#", Format::Pantau)]);
    let topic = "application/1/device/0101010101010101/event/up";
    decode_by(&decoder, topic, EVENT.as_bytes());
    let members: Vec<String> = (0..=MAX_READINGS).map(|n| format!("\"power{n}\":{n}")).collect();
    let large = EVENT.replace("\"co2\"", &format!("{},\"co2\"", members.join(",")));
    let (mut out, mut batch) = (Columns::default(), decoder.batch());
    let refusal = batch.decode(topic, large.as_bytes(), ARRIVAL, &mut out).unwrap_err();
    assert_eq!(refusal.reason, Reason::TooLarge);
    batch.decode("pantau/a/ph", b"7", ARRIVAL, &mut out).unwrap();
    assert_eq!((out.names.as_str(), batch.commit()), ("a/ph\n", 0));
}

#[test]
fn chirpstacks_status_has_the_battery_and_a_missing_codec_is_named() {
    let decoder = only("application/+/device/{device}/event/+", Format::Chirpstack);
    let status = br#"{"deduplicationId":"b","time":"2026-11-24T07:00:00Z","deviceInfo":{"devEui":"01"},"margin":7,"externalPowerSource":false,"batteryLevelUnavailable":false,"batteryLevel":75.3}"#;
    let topic = "application/1/device/01/event/status";
    assert_eq!(series(&decode_by(&decoder, topic, status).0), [("01/battery", "%", 75.3)]);
    let no_codec = br#"{"time":"2026-11-24T07:00:00Z","deviceInfo":{"devEui":"01"},"data":"qg=="}"#;
    let up = "application/1/device/01/event/up";
    assert!(decode_by(&decoder, up, no_codec).1.unwrap().detail.contains("codec"));
    assert_eq!(decode_by(&decoder, "application/1/device/01/event/join", b"{}"), (Vec::new(), None));
    assert!(decode_by(&decoder, up, b"{\"deviceInfo\":{}}").1.unwrap().detail.contains("devEui"));
}

#[test]
fn what_is_nested_too_deep_or_too_much_is_refused() {
    let decoder = only("z/#", Format::Zigbee2mqtt);
    let deep = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
    assert!(decode_by(&decoder, "z/a", deep.as_bytes()).1.unwrap().detail.contains("nested deeper than 16"));
    let many = format!("[{}]", vec!["0"; 30_000].join(","));
    assert_eq!(decode_by(&decoder, "z/a", many.as_bytes()).1.unwrap().reason, Reason::TooLarge);
    let members: Vec<String> = (0..=MAX_READINGS).map(|n| format!("\"power{n}\":{n}")).collect();
    let (readings, refusal) = decode_by(&decoder, "z/a", format!("{{{}}}", members.join(",")).as_bytes());
    assert_eq!((readings.len(), refusal.unwrap().reason), (0, Reason::TooLarge));
}

#[test]
fn what_a_payload_says_of_itself_does_not_make_a_refusal_long() {
    // Found by the fuzzer: a text where an object is expected, and a device's name, as long as a packet.
    let long = "x".repeat(50_000);
    let told = |decoder: &Decoder, topic: &str, payload: String| {
        decode_by(decoder, topic, payload.as_bytes()).1.unwrap().detail.len()
    };
    assert!(told(&rules(), "pantau/s1", format!("\"{long}\"")) < 520);
    let senml = only("senml/+", Format::SenmlJson);
    assert!(told(&senml, "senml/a", format!("[{{\"bn\":\"a/{long}\",\"n\":\"temp\",\"v\":1}}]")) < 600);
}

#[test]
fn a_device_with_a_slash_never_becomes_a_quantity() {
    let decoder = only("v3/#", Format::TheThingsStack);
    let payload = UPLINK.replace("\"lora-7\"", "\"a/ph\"");
    let (readings, refusal) = decode_by(&decoder, "v3/x/devices/a/up", payload.as_bytes());
    assert!(readings.is_empty() && refusal.unwrap().reason == Reason::BadName);
}

proptest! {
    #[test]
    fn no_bytes_make_a_vendors_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..200), kind in "SENSOR|STATE|LWT|up|status|availability|x") {
        for (format, _) in Format::ALL {
            let topics = format.usual_topics().unwrap_or("a/#");
            let topic = topics.replace("{device}", "d").replace('+', "1").replace('#', &format!("d/{kind}"));
            decode_by(&only(topics, format), &topic, &payload);
        }
    }
}
