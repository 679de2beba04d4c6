//! A model of the engine runs the machine's effects, crashes wherever it likes, and checks the laws.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::group::RestartPolicy;
use crate::service::RestartBackoff;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Engine {
    Created,
    Running(Timestamp),
    Exited(Ended),
}

/// What the outside does.
#[derive(Debug, Clone)]
enum Move {
    Deploy,
    Stop,
    /// The running container ends with this code.
    Exit(i32),
    /// Time passes.
    Wait(i64),
    /// Somebody removes all containers behind our back.
    Vanish,
    /// The process dies after this many further effects, and comes back.
    CrashAfter(usize),
    /// The next creation or start fails.
    Break,
}

struct World {
    machine: Machine,
    rules: Rules,
    now: Timestamp,
    engine: BTreeMap<u64, Engine>,
    fuse: Option<usize>,
    breaks: bool,
    seen_generations: u64,
}

impl World {
    fn new(rules: Rules) -> Self {
        Self {
            machine: Machine::default(),
            rules,
            now: Timestamp::UNIX_EPOCH,
            engine: BTreeMap::new(),
            fuse: None,
            breaks: false,
            seen_generations: 0,
        }
    }

    fn play(&mut self, step: &Move) {
        match step {
            Move::Deploy => self.feed(Event::Deploy),
            Move::Stop => self.feed(Event::Stop),
            Move::Exit(code) => {
                let running = self.engine.iter().find_map(|(generation, state)| match state {
                    Engine::Running(since) => Some((*generation, *since)),
                    _ => None,
                });
                if let Some((generation, since)) = running {
                    let ended = Ended::with(Some(since), self.now, *code);
                    self.engine.insert(generation, Engine::Exited(ended));
                    self.feed(Event::Exited { generation, ended });
                }
            }
            Move::Wait(seconds) => {
                self.now += jiff::SignedDuration::from_secs(*seconds);
                self.feed(Event::Due);
            }
            Move::Vanish => {
                self.engine.clear();
                self.adopt();
            }
            Move::CrashAfter(effects) => self.fuse = Some(*effects),
            Move::Break => self.breaks = true,
        }
        self.check();
    }

    fn feed(&mut self, event: Event) {
        let before = self.machine.clone();
        let (machine, effects) = step(before.clone(), event.clone(), self.rules, self.now);
        if matches!(before.phase, Phase::Ended(_) | Phase::Stopped)
            && !matches!(event, Event::Deploy | Event::Stop)
        {
            assert_eq!(machine.phase, before.phase, "a final state was left by {event:?}");
        }
        self.machine = machine;
        for effect in effects {
            if let Some(left) = &mut self.fuse {
                if *left == 0 {
                    self.fuse = None;
                    return self.adopt();
                }
                *left -= 1;
            }
            self.apply(&effect);
            self.check();
        }
    }

    fn adopt(&mut self) {
        let found = self.engine.iter().map(|(generation, state)| {
            let state = match state {
                Engine::Created => Found::Created,
                Engine::Running(since) => Found::Running { since: *since },
                Engine::Exited(ended) => Found::Exited(*ended),
            };
            (*generation, state)
        });
        self.feed(Event::Found(found.collect()));
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Create(generation) => {
                assert!(*generation > self.seen_generations, "generation {generation} was used before");
                self.seen_generations = *generation;
                if std::mem::take(&mut self.breaks) {
                    return self.feed(Event::Broken(*generation));
                }
                self.engine.insert(*generation, Engine::Created);
                self.feed(Event::Created(*generation));
            }
            Effect::Keep(kept) => {
                assert!(self.engine.contains_key(kept), "kept a generation that is not there");
                self.engine.retain(|generation, _| generation == kept);
            }
            Effect::RemoveAll => self.engine.clear(),
            Effect::Start(generation) => {
                assert_eq!(
                    self.engine.get(generation),
                    Some(&Engine::Created),
                    "a container was started again"
                );
                if std::mem::take(&mut self.breaks) {
                    return self.feed(Event::Broken(*generation));
                }
                self.engine.insert(*generation, Engine::Running(self.now));
                self.feed(Event::Started(*generation));
            }
            Effect::Watch(generation) => assert!(self.engine.contains_key(generation), "nothing to watch"),
            Effect::WakeAt(until) => assert!(*until > self.now, "woken in the past"),
        }
    }

    fn check(&self) {
        let running = self.engine.values().filter(|state| matches!(state, Engine::Running(_))).count();
        assert!(running <= 1, "{running} generations run at once: {:?}", self.engine);
        assert!(self.machine.current <= self.machine.allotted);
    }

    /// Once nothing is half done, the engine agrees with the machine.
    fn check_at_rest(&self) {
        let running = self.engine.values().filter(|state| matches!(state, Engine::Running(_))).count();
        let expected = usize::from(matches!(self.machine.phase, Phase::Running { .. }));
        assert_eq!(running, expected, "{:?} but the engine has {:?}", self.machine, self.engine);
        assert!(self.engine.len() <= 1, "left over: {:?}", self.engine);
        assert!(
            !matches!(self.machine.phase, Phase::Creating | Phase::Starting),
            "stuck in {:?}",
            self.machine.phase
        );
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => Just(Move::Deploy),
        1 => Just(Move::Stop),
        6 => prop_oneof![Just(0), Just(1), Just(137)].prop_map(Move::Exit),
        4 => (1_i64..700).prop_map(Move::Wait),
        1 => Just(Move::Vanish),
        3 => (0_usize..5).prop_map(Move::CrashAfter),
        1 => Just(Move::Break),
    ];
    proptest::collection::vec(one, 1..60)
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        prop_oneof![Just(RestartPolicy::Always), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Never)],
        prop_oneof![Just(RestartBackoff::On), Just(RestartBackoff::Off)],
    )
        .prop_map(|(policy, backoff)| Rules { policy, backoff })
}

proptest! {
    #[test]
    fn no_crash_leaves_two_running_or_a_final_state(rules in rules(), moves in moves()) {
        let mut world = World::new(rules);
        for step in &moves {
            world.play(step);
        }
        world.fuse = None;
        world.breaks = false;
        world.adopt();
        world.check();
        world.check_at_rest();
    }
}

fn always(backoff: RestartBackoff) -> World {
    let mut world = World::new(Rules { policy: RestartPolicy::Always, backoff });
    world.play(&Move::Deploy);
    world
}

#[test]
fn a_restart_is_a_new_generation_created_before_the_old_one_goes() {
    let rules = Rules { policy: RestartPolicy::Always, backoff: RestartBackoff::On };
    let now = Timestamp::UNIX_EPOCH;
    let machine = always(RestartBackoff::On).machine;
    let ended = Ended::with(Some(now), now, 0);
    let (machine, effects) = step(machine, Event::Exited { generation: 1, ended }, rules, now);
    assert_eq!(effects, [Effect::Create(2)]);
    let (machine, effects) = step(machine, Event::Created(2), rules, now);
    assert_eq!(effects, [Effect::Keep(2), Effect::Start(2)]);
    let (machine, effects) = step(machine, Event::Started(2), rules, now);
    assert_eq!(effects, [Effect::Watch(2)]);
    assert_eq!((machine.restarts, machine.previous), (1, Some(ended)));
}

#[test]
fn success_is_delayed_too_and_a_long_run_makes_it_forgotten() {
    let mut world = always(RestartBackoff::On);
    world.play(&Move::Exit(0));
    assert!(matches!(world.machine.phase, Phase::Running { .. }), "the first restart comes at once");
    world.play(&Move::Exit(0));
    assert_eq!(
        world.machine.phase,
        Phase::BackingOff { until: world.now + jiff::SignedDuration::from_secs(10) }
    );
    world.play(&Move::Wait(9));
    assert!(matches!(world.machine.phase, Phase::BackingOff { .. }));
    world.play(&Move::Wait(1));
    assert!(matches!(world.machine.phase, Phase::Running { .. }));
    world.play(&Move::Wait(600));
    world.play(&Move::Exit(0));
    assert!(
        matches!(world.machine.phase, Phase::Running { .. }),
        "ten minutes of running are a new beginning"
    );
    assert_eq!(world.machine.restarts, 3);
}

#[test]
fn an_exit_that_nobody_saw_counts_by_policy_on_adoption() {
    for (policy, ends) in
        [(RestartPolicy::Always, false), (RestartPolicy::OnFailure, true), (RestartPolicy::Never, true)]
    {
        let mut world = World::new(Rules { policy, backoff: RestartBackoff::On });
        world.play(&Move::Deploy);
        let ended = Ended::with(Some(world.now), world.now, 0);
        world.engine.insert(1, Engine::Exited(ended));
        world.adopt();
        assert_eq!(matches!(world.machine.phase, Phase::Ended(_)), ends, "{policy:?}");
        assert_eq!(world.machine.current, if ends { 1 } else { 2 });
    }
}

#[test]
fn adoption_keeps_what_runs() {
    let mut world = always(RestartBackoff::On);
    let before = world.machine.clone();
    world.adopt();
    assert_eq!(world.machine, before);
    assert_eq!(world.engine.len(), 1);
}
