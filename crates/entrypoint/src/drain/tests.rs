use super::*;

const LIMIT: Duration = Duration::from_secs(15);

fn drain(phase: Phase, now: Instant) -> Drain {
    let mut drain = Drain::new(LIMIT);
    drain.on_phase(phase, now);
    drain
}

fn order(step: Option<Step>) -> Option<Order> {
    step.and_then(|step| step.order)
}

#[test]
fn the_phase_is_read_from_the_listeners_words() {
    assert_eq!(Phase::of_output(b"2026-01-01 00:00:00Z: Listening for Jobs\n"), Some(Phase::Listening));
    let both = b"2026-01-01 00:00:00Z: Listening for Jobs\n2026-01-01 00:00:01Z: Running job: one\n";
    assert_eq!(Phase::of_output(both), Some(Phase::Working));
    assert_eq!(Phase::of_output(b"Starting Agent listener\n"), None);
}

#[test]
fn an_idle_agent_is_told_at_once_and_killed_if_it_does_not_end() {
    let now = Instant::now();
    let mut drain = drain(Phase::Listening, now);
    assert_eq!(drain.outcome(false), Outcome::NotAsked);
    assert_eq!(drain.on_stop(now).order, Some(Order::Interrupt));
    assert_eq!(order(drain.on_time(now + Duration::from_secs(34))), None);
    assert_eq!(order(drain.on_time(now + LEAVING)), Some(Order::Kill));
    assert_eq!(drain.outcome(false), Outcome::Idle);
    assert_eq!(drain.deadline(), None);
}

#[test]
fn a_job_may_finish_in_its_time_and_is_cancelled_after_it() {
    let now = Instant::now();
    let just_before = LIMIT.saturating_sub(Duration::from_millis(1));
    let mut drain = drain(Phase::Working, now);
    assert_eq!(drain.on_stop(now).order, None);
    assert_eq!(drain.outcome(true), Outcome::Finished);
    assert_eq!(order(drain.on_time(now + just_before)), None);
    assert_eq!(order(drain.on_time(now + LIMIT)), Some(Order::Interrupt));
    assert_eq!(drain.outcome(true), Outcome::Cut);
    assert_eq!(order(drain.on_time(now + LIMIT + CANCELLING)), Some(Order::Kill));
}

#[test]
fn a_second_signal_does_not_wait_for_the_job_and_a_third_kills() {
    let now = Instant::now();
    let mut drain = drain(Phase::Working, now);
    drain.on_stop(now);
    assert_eq!(drain.on_stop(now).order, Some(Order::Interrupt));
    assert_eq!(drain.deadline(), Some(now + HURRY));
    assert_eq!(drain.on_stop(now).order, Some(Order::Kill));
    assert_eq!(drain.outcome(true), Outcome::Cut);
}

/// An agent that is deleting its session is hurried, not killed, by the second signal.
#[test]
fn a_second_signal_hurries_an_agent_that_is_leaving() {
    let now = Instant::now();
    let mut drain = drain(Phase::Listening, now);
    drain.on_stop(now);
    assert_eq!(drain.on_stop(now).order, None);
    assert_eq!(drain.deadline(), Some(now + HURRY));
    assert_eq!(drain.on_stop(now).order, Some(Order::Kill));
}

#[test]
fn a_session_that_is_being_opened_is_waited_for() {
    let now = Instant::now();
    let mut opened = Drain::new(LIMIT);
    assert_eq!(opened.on_stop(now).order, None);
    assert_eq!(order(opened.on_phase(Phase::Listening, now)), Some(Order::Interrupt));
    assert_eq!(opened.outcome(false), Outcome::Idle);
    let mut never = Drain::new(LIMIT);
    never.on_stop(now);
    assert_eq!(order(never.on_time(now + OPENING)), Some(Order::Interrupt));
}

/// The gap that cannot be closed from here: it is told as what it is, never as "no job ran".
#[test]
fn a_job_that_arrives_with_the_order_is_not_hidden() {
    let now = Instant::now();
    let mut drain = drain(Phase::Listening, now);
    drain.on_stop(now);
    assert_eq!(order(drain.on_phase(Phase::Working, now)), None);
    assert_eq!(drain.outcome(false), Outcome::Cut);
}

/// The agent may have taken a job without a word that is understood here.
#[test]
fn other_signs_of_a_job_count_too() {
    let now = Instant::now();
    let mut drain = drain(Phase::Listening, now);
    drain.on_stop(now);
    assert_eq!(drain.outcome(true), Outcome::Cut);
    assert_eq!(drain.outcome(false), Outcome::Idle);
}
