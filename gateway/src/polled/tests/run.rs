use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::stats::{SensorStats, State};
use super::super::{Answer, Bus, Fault, Plan, Poller, Series};
use crate::clock::monotonic_tokio;
use crate::mqtt_server::Clock;
use crate::mqtt_server::tests::support::{Entry, TestIntake};

const START: i64 = 1_700_000_000_000;

/// A wall clock that goes with the runtime's, which stands still while nobody waits.
fn clock() -> Clock {
    thread_local! { static BEGAN: RefCell<Option<Instant>> = const { RefCell::new(None) } }
    fn wall() -> TimeMs {
        let now = monotonic_tokio();
        let began = BEGAN.with_borrow_mut(|began| *began.get_or_insert(now));
        TimeMs(START + i64::try_from((now - began).as_millis()).unwrap())
    }
    wall();
    Clock { wall, monotonic: monotonic_tokio }
}

/// How a sensor answers, and how long that takes.
type Manner = fn(u64) -> (Duration, Result<Answer, Fault>);

/// A bus whose sensors answer as they are told; each keeps when it was asked, in ms since the start.
struct Wires {
    manners: Vec<Manner>,
    asked: Arc<Mutex<BTreeMap<usize, Vec<u64>>>>,
    began: Instant,
}

impl Bus for Wires {
    async fn poll(&mut self, sensor: usize) -> Result<Answer, Fault> {
        let at = u64::try_from((monotonic_tokio() - self.began).as_millis()).unwrap();
        self.asked.lock().unwrap().entry(sensor).or_default().push(at);
        let (takes, answer) = self.manners[sensor](at);
        sleep(takes).await;
        answer
    }

    fn give_up(&mut self, _: usize, after: Duration) -> Fault {
        Fault::new(format!("silent for {after:?}"))
    }
}

fn well(at: u64) -> (Duration, Result<Answer, Fault>) {
    let mut answer = Answer::default();
    answer.push(0, f64::from(u32::try_from(at).unwrap()));
    (Duration::from_millis(5), Ok(answer))
}

fn silent(_: u64) -> (Duration, Result<Answer, Fault>) {
    (Duration::from_secs(3_600), Ok(Answer::default()))
}

fn plan(name: &str, period: Duration) -> Plan {
    let series = vec![Series { name: format!("{name}/air_temperature"), unit: "K".into() }];
    let timeout = Duration::from_millis(500);
    Plan { name: name.into(), series, period, timeout, retries: 1, faulty_after: 3 }
}

struct Ran {
    stats: Vec<Arc<SensorStats>>,
    asked: BTreeMap<usize, Vec<u64>>,
}

/// Runs a bus for so long; `meanwhile` happens beside it.
async fn ran(
    intake: &TestIntake,
    sensors: Vec<(Plan, Manner)>,
    lasts: Duration,
    meanwhile: impl Future<Output = ()>,
) -> Ran {
    let (plans, manners) = sensors.into_iter().unzip();
    let asked: Arc<Mutex<BTreeMap<usize, Vec<u64>>>> = Arc::default();
    let bus = Wires { manners, asked: Arc::clone(&asked), began: monotonic_tokio() };
    let poller = Poller::new("wires", bus, plans, intake.clone(), clock());
    let (stats, stop) = (poller.stats(), CancellationToken::new());
    let end = async {
        tokio::join!(sleep(lasts), meanwhile);
        stop.cancel();
    };
    let (done, ()) = tokio::join!(poller.run(stop.clone()), end);
    done.unwrap();
    let asked = asked.lock().unwrap().clone();
    Ran { stats, asked }
}

fn measured(intake: &TestIntake) -> Vec<(String, i64)> {
    let of = |entry: Entry| match entry {
        Entry::Measured { series, at, .. } => Some((series, at - START)),
        _ => None,
    };
    intake.journal().into_iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn readings_have_the_time_of_their_poll_and_the_unit_of_their_series() {
    let intake = TestIntake::default();
    let sensor = (plan("roof", Duration::from_secs(10)), well as Manner);
    let ran = ran(&intake, vec![sensor], Duration::from_secs(35), async {}).await;
    let times: Vec<i64> = measured(&intake).into_iter().map(|(_, at)| at).collect();
    assert_eq!(times, [0, 10_000, 20_000, 30_000]);
    let first = Entry::Measured {
        source: "roof".into(),
        series: "roof/air_temperature".into(),
        value: "0 K".into(),
        at: START,
    };
    assert_eq!(intake.journal()[0], first);
    let stats = &ran.stats[0];
    assert_eq!(
        (stats.polls.get(), stats.readings.get(), stats.failed.get(), stats.missed.get()),
        (4, 4, 0, 0)
    );
    assert_eq!(i64::try_from(stats.answered.get()).unwrap(), START + 30_000);
    assert_eq!(stats.state().0, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_made_again_within_its_period_and_a_silent_sensor_costs_the_others_little() {
    let intake = TestIntake::default();
    let sensors = vec![
        (plan("silent", Duration::from_secs(2)), silent as Manner),
        (plan("well", Duration::from_secs(2)), well as Manner),
    ];
    let ran = ran(&intake, sensors, Duration::from_secs(123), async {}).await;
    // Each of the first three polls twice, then once and ever more rarely.
    let asked = &ran.asked[&0];
    assert_eq!(asked[..7], [0, 550, 2_000, 2_550, 4_000, 4_550, 6_000]);
    assert_eq!(asked[7..10], [10_000, 18_000, 34_000], "twice as long each time");
    assert_eq!(asked[11] - asked[10], 30_000, "but every half minute");
    let silent = &ran.stats[0];
    assert_eq!((silent.retries.get(), silent.readings.get()), (3, 0));
    assert_eq!(silent.polls.get() + silent.missed.get(), 62, "each period is a poll or counted");
    assert_eq!(silent.polls.get(), silent.failed.get());
    let well = &ran.stats[1];
    assert_eq!((well.polls.get(), well.missed.get(), well.readings.get()), (62, 0, 62));
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_is_plugged_in_again_is_well_without_help() {
    fn unplugged_for_a_minute(at: u64) -> (Duration, Result<Answer, Fault>) {
        match at {
            10_000..70_000 => (Duration::ZERO, Err(Fault::new("nothing at address 0x76"))),
            _ => well(at),
        }
    }
    let intake = TestIntake::default();
    let sensor = (plan("roof", Duration::from_secs(1)), unplugged_for_a_minute as Manner);
    let seen = Mutex::new(Vec::new());
    let poller = {
        let bus = Wires { manners: vec![sensor.1], asked: Arc::default(), began: monotonic_tokio() };
        Poller::new("wires", bus, vec![sensor.0], intake.clone(), clock())
    };
    let (stats, stop) = (poller.stats().remove(0), CancellationToken::new());
    let watch = async {
        for _ in 0..1_200 {
            sleep(Duration::from_millis(100)).await;
            let state = stats.state();
            let mut seen = seen.lock().unwrap();
            if seen.last() != Some(&state) {
                seen.push(state);
            }
        }
        stop.cancel();
    };
    let (done, ()) = tokio::join!(poller.run(stop.clone()), watch);
    done.unwrap();
    let why = || "nothing at address 0x76".to_owned();
    let seen = seen.into_inner().unwrap();
    let since: Vec<(State, i64)> = seen.into_iter().map(|(state, since)| (state, since.0 - START)).collect();
    assert_eq!(since[..3], [(State::Ok, 0), (State::Failing(why()), 10_050), (State::Faulty(why()), 10_050)]);
    let (State::Ok, back) = since[3] else { panic!("{since:?}") };
    assert!((70_000..101_000).contains(&back), "{back}");
    let last = measured(&intake).last().unwrap().1;
    assert!(last >= 119_000, "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_was_busy_for_long_is_not_asked_in_a_burst() {
    fn slow_once(at: u64) -> (Duration, Result<Answer, Fault>) {
        let (_, answer) = well(at);
        (if at == 1_000 { Duration::from_millis(4_700) } else { Duration::ZERO }, answer)
    }
    let mut slow = plan("slow", Duration::from_secs(1));
    slow.timeout = Duration::from_secs(10);
    let sensors = vec![(slow, slow_once as Manner), (plan("other", Duration::from_secs(1)), well as Manner)];
    let ran = ran(&TestIntake::default(), sensors, Duration::from_millis(8_500), async {}).await;
    assert_eq!(ran.asked[&0], [0, 1_000, 6_000, 7_000, 8_000]);
    assert_eq!(ran.asked[&1], [0, 5_700, 6_000, 7_000, 8_000]);
    assert_eq!((ran.stats[0].missed.get(), ran.stats[1].missed.get()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn while_the_spool_is_full_the_queue_is_bounded_and_the_rest_is_counted() {
    let intake = TestIntake::default();
    let of = intake.clone();
    let meanwhile = async {
        sleep(Duration::from_millis(4_950)).await;
        of.set_full(true);
        sleep(Duration::from_secs(10)).await;
        of.set_full(false);
    };
    let sensor = (plan("roof", Duration::from_millis(100)), well as Manner);
    let ran = ran(&intake, vec![sensor], Duration::from_secs(20), meanwhile).await;
    let stats = &ran.stats[0];
    let stored = measured(&intake);
    assert_eq!(stats.readings.get(), stored.len() as u64);
    assert!(stored.is_sorted_by_key(|(_, at)| *at));
    // A hundred were measured meanwhile; the queue held 64 and the one that was about to be taken.
    assert_eq!(stats.shed.get(), 100 - 65);
    assert_eq!(intake.shed(), stats.shed.get());
    assert_eq!(stats.polls.get(), stats.readings.get() + stats.shed.get());
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_a_full_spool_counts_what_waits() {
    let intake = TestIntake::default();
    intake.set_full(true);
    let sensor = (plan("roof", Duration::from_secs(1)), well as Manner);
    let ran = ran(&intake, vec![sensor], Duration::from_millis(4_500), async {}).await;
    assert_eq!((ran.stats[0].shed.get(), intake.shed(), ran.stats[0].polls.get()), (5, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_wrong_in_a_part_gives_its_readings_and_counts_as_failed() {
    fn half(at: u64) -> (Duration, Result<Answer, Fault>) {
        let (takes, answer) = well(at);
        (takes, answer.map(|answer| Answer { fault: Some("no register 7".into()), absent: 2, ..answer }))
    }
    let intake = TestIntake::default();
    let sensor = (plan("roof", Duration::from_secs(10)), half as Manner);
    let ran = ran(&intake, vec![sensor], Duration::from_secs(15), async {}).await;
    let stats = &ran.stats[0];
    assert_eq!((stats.readings.get(), stats.failed.get(), stats.retries.get()), (2, 2, 0));
    assert_eq!((stats.absent.get(), stats.answered.get()), (4, 0));
}
