//! Check of silence faults: the broker notices a silence only if it lasts longer than one and a half keepalives.

use wasmote_sim::faults::Model;
use wasmote_sim::faults::hang::Hang;
use wasmote_sim::faults::silence::Silence;

use crate::config::Settings;

/// One warning for each silence that ends before the broker notices it [MQTT-3.1.2-22].
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let keepalive = settings.connection.keepalive;
    let detection_time = keepalive.mul_f64(1.5);
    let own = settings.groups.iter().filter_map(|group| group.faults.as_ref());
    let faults = own.chain([&settings.faults]).flat_map(|set| set.faults.iter());
    faults
        .filter_map(|fault| match &fault.model {
            Model::Silence(Silence { recurrence }) | Model::Hang(Hang { recurrence }) if recurrence.lasting <= detection_time => Some(format!(
                "the fault `{}` silences devices for {}, and with a keepalive of {} the broker notices after {} \
                 at the soonest: no session ends and no will is published; set a shorter --keepalive",
                fault.id,
                humantime::format_duration(recurrence.lasting),
                humantime::format_duration(keepalive),
                humantime::format_duration(detection_time),
            )),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;

    #[test]
    fn a_keepalive_longer_than_the_silence_is_warned_of() {
        let warned = |keepalive: &str| {
            let keepalive = Some(keepalive.parse().unwrap());
            warnings(&resolve(&Options { keepalive, ..Options::default() }).unwrap()).len()
        };
        assert_eq!((warned("10s"), warned("20s"), warned("21s")), (0, 1, 1));
    }
}
