//! Times and zones: what is accepted means the same wall clock when it is read back, and instants
//! come back from their text.

use carillon::base::Timestamp;
use carillon::domain::schedule::{Schedule, zone_named};
use jiff::civil::DateTime;

use super::given::Given;

/// Lines: a local time, a zone, an instant.
pub fn check(data: &[u8]) {
    let mut given = Given(data);
    let (local, zone, instant) = (given.words(), given.words(), given.words());
    let now = Timestamp::from_millis(1_795_338_000_000);
    let tz = zone_named(&zone, "zone");
    match Schedule::at(&local, &zone, now) {
        Err(problem) => assert!(!problem.fields.is_empty()),
        Ok(schedule) => {
            let tz = tz.unwrap_or_else(|e| panic!("{zone:?}: {e}"));
            let Schedule::At { local: kept, zone: kept_zone, due } = &schedule else {
                panic!("a local time became an instant")
            };
            assert_eq!(kept_zone, &zone);
            let meant: DateTime = kept.parse().unwrap();
            let shown = due.to_jiff().to_zoned(tz).datetime();
            // Only a time that does not exist is moved, and only forward; instants are whole
            // milliseconds.
            let fraction = meant.subsec_nanosecond() % 1_000_000;
            let whole = meant.with().subsec_nanosecond(meant.subsec_nanosecond() - fraction);
            let whole = whole.build().unwrap();
            match schedule.oddity() {
                Some(_) => assert!(shown >= whole, "{local} {zone}: {shown}"),
                None => assert_eq!(shown, whole, "{local} {zone}"),
            }
            assert_eq!(Schedule::at(kept, &zone, now), Ok(schedule.clone()));
        }
    }
    if let Some(at) = Timestamp::parse(&instant) {
        assert!(at <= Timestamp::MAX);
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at), "{instant}");
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }
}
