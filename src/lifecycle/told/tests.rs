//! Whatever order and however often: the same is known. And what each event tells.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("a time")
}

fn tiding(uid: i64, second: i64, event: Event) -> Tiding {
    Tiding { sid: "5d3f".into(), channel: "lobby".into(), uid, time: at(second), event }
}

fn told(tidings: &[Tiding]) -> Told {
    let mut told = Told::default();
    tidings.iter().for_each(|tiding| told.hear(tiding));
    told
}

const FIRST: i64 = 1001;
const SECOND: i64 = 3_900_000_001;

#[test]
fn the_exit_that_counts_is_that_of_the_newest_process() {
    let exit = |uid, second, normally| tiding(uid, second, Event::Exited { normally });
    let failover = tiding(FIRST, 10, Event::FailedOver { new_uid: SECOND });
    for (tidings, expected, why) in [
        (vec![], None, "nothing was told"),
        (vec![exit(FIRST, 5, true)], Some((at(5), Exit::Normal)), "the only process"),
        (vec![exit(FIRST, 5, true), exit(FIRST, 5, false)], Some((at(5), Exit::Abnormal)), "the worse word"),
        (vec![exit(FIRST, 5, false), failover.clone()], None, "the former process of a failover"),
        (vec![failover.clone(), exit(SECOND, 20, true)], Some((at(20), Exit::Normal)), "its successor"),
        (
            vec![exit(FIRST, 5, true), tiding(SECOND, 9, Event::Joined)],
            None,
            "the former process of a failover that was told of by its successor alone",
        ),
    ] {
        assert_eq!(told(&tidings).exit(FIRST), expected, "{why}");
    }
    assert_eq!(told(std::slice::from_ref(&failover)).uid(FIRST), SECOND);
    assert_eq!(Told::default().uid(FIRST), FIRST);
    for (tidings, expected) in [
        (vec![], false),
        (vec![tiding(FIRST, 5, Event::Joined)], false),
        (vec![failover], true),
        (vec![tiding(SECOND, 5, Event::Other)], true),
    ] {
        assert_eq!(told(&tidings).failed_over(FIRST), expected, "{tidings:?}");
    }
}

#[test]
fn an_empty_channel_is_one_bit_of_the_reason_to_leave() {
    for (code, expected) in [(4, true), (4 | 8, true), (0, false), (16, false), (2 | 8, false)] {
        let tidings = [tiding(FIRST, 5, Event::Left { code })];
        assert_eq!(told(&tidings).left_for_nobody(FIRST), expected, "{code}");
    }
    let of_former =
        [tiding(FIRST, 5, Event::Left { code: 4 }), tiding(FIRST, 6, Event::FailedOver { new_uid: SECOND })];
    assert!(!told(&of_former).left_for_nobody(FIRST));
}

#[test]
fn who_sends_video_is_by_the_last_word_of_each_user_to_the_newest_process() {
    let joined = |uid| tiding(uid, 1, Event::Joined);
    let of = |uid, user, second, received| tiding(uid, second, Event::Video { user, received });
    let video = |user, second, received| of(FIRST, user, second, received);
    let taken = |second| tiding(FIRST, second, Event::Snapshot { file: "a.jpg".into() });
    let failover = tiding(FIRST, 30, Event::FailedOver { new_uid: SECOND });
    for (tidings, silent, sending, why) in [
        (vec![], None, None, "nothing is known"),
        (vec![joined(FIRST)], None, None, "nobody was told of"),
        (vec![joined(FIRST), video(7, 20, false), video(7, 10, true)], Some(20), None, "the end came first"),
        (vec![joined(FIRST), video(7, 20, false), video(8, 5, true)], None, Some(5), "another one sends"),
        (vec![video(7, 20, false)], None, None, "who began before nobody was listening is not known"),
        (vec![joined(FIRST), video(7, 20, false), taken(50)], Some(20), None, "it was being uploaded"),
        (vec![joined(FIRST), video(7, 20, false), taken(51)], None, None, "somebody sends all the same"),
        (
            vec![joined(FIRST), video(7, 20, false), failover.clone()],
            None,
            None,
            "it had no word of the new process",
        ),
        (
            vec![joined(FIRST), failover, of(SECOND, 7, 35, true), video(7, 40, false)],
            None,
            Some(35),
            "the former process loses everybody when it leaves",
        ),
    ] {
        let told = told(&tidings);
        assert_eq!(
            (told.silent_since(FIRST), told.sending_since(FIRST)),
            (silent.map(at), sending.map(at)),
            "{why}"
        );
    }
}

#[test]
fn those_who_send_have_their_newest_snapshot_since_they_began() {
    let of = |uid, user, second, received| tiding(uid, second, Event::Video { user, received });
    let mut told = told(&[
        of(FIRST, 7, 10, true),
        of(FIRST, 8, 20, true),
        of(FIRST, 9, 30, true),
        of(FIRST, 9, 40, false),
        of(SECOND, 5, 50, true),
    ]);
    told.took(7, at(30));
    told.took(7, at(25));
    told.took(8, at(19));
    told.took(9, at(35));
    let senders = |told: &Told| told.senders(FIRST).collect::<Vec<_>>();
    assert_eq!(senders(&told), [Sender { user: 5, since: at(50), taken: None }], "the newest process alone");
    told.uids.remove(&SECOND);
    let (seven, eight) = (
        Sender { user: 7, since: at(10), taken: Some(at(30)) },
        Sender { user: 8, since: at(20), taken: None },
    );
    assert_eq!(senders(&told), [seven, eight]);
}

#[test]
fn the_newest_of_each_is_kept() {
    let trouble = Trouble { module: 1, code: 47, level: 5 };
    let snapshot = |second, file: &str| tiding(FIRST, second, Event::Snapshot { file: file.into() });
    let told = told(&[
        snapshot(9, "b.jpg"),
        snapshot(8, "a.jpg"),
        tiding(FIRST, 3, Event::Error(trouble)),
        tiding(FIRST, 2, Event::Error(trouble)),
        tiding(FIRST, 1, Event::Warning(Trouble { code: 31, level: 0, ..trouble })),
        tiding(FIRST, 4, Event::Joined),
        tiding(FIRST, 5, Event::Uploaded),
        tiding(FIRST, 6, Event::BackedUp),
        tiding(FIRST, 12, Event::Other),
    ]);
    assert_eq!(told.snapshot(), Some((at(9), "b.jpg")));
    assert_eq!(told.errors().collect::<Vec<_>>(), [(trouble, at(3))]);
    assert_eq!(told.warnings().map(|(trouble, _)| trouble.code).collect::<Vec<_>>(), [31]);
    assert_eq!((told.joined(), told.heard()), (Some(at(4)), Some(at(12))));
    assert_eq!(told.uploads(), (Some(at(5)), Some(at(6))));
}

fn any_event() -> impl Strategy<Value = Event> {
    // Few codes and users, so that they meet; many enough to overflow what is kept.
    let trouble = (0..3_i64, 0..20_i64, 0..6_i64);
    let trouble = trouble.prop_map(|(module, code, level)| Trouble { module, code, level });
    prop_oneof![
        Just(Event::Joined),
        Just(Event::Uploaded),
        Just(Event::BackedUp),
        Just(Event::Other),
        trouble.clone().prop_map(Event::Error),
        trouble.prop_map(Event::Warning),
        any::<bool>().prop_map(|normally| Event::Exited { normally }),
        (0..20_i64).prop_map(|new_uid| Event::FailedOver { new_uid }),
        (0..32_i64).prop_map(|code| Event::Left { code }),
        (0..100_i64, any::<bool>()).prop_map(|(user, received)| Event::Video { user, received }),
        (0..9_u8).prop_map(|file| Event::Snapshot { file: format!("{file}.jpg") }),
    ]
}

prop_compose! {
    fn any_tiding()(uid in 0..20_i64, second in 0..50_i64, event in any_event()) -> Tiding {
        tiding(uid, second, event)
    }
}

/// A storm, and the same with copies in another order.
fn storms() -> impl Strategy<Value = (Vec<Tiding>, Vec<Tiding>)> {
    prop::collection::vec(any_tiding(), 0..200).prop_flat_map(|storm| {
        let copies = prop::collection::vec(0..storm.len().max(1), 0..50);
        (Just(storm.clone()), copies, Just(storm)).prop_flat_map(|(storm, copies, mut other)| {
            other.extend(copies.into_iter().filter_map(|copy| storm.get(copy).cloned()));
            (Just(storm), Just(other).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn neither_order_nor_copies_make_a_difference((storm, other) in storms()) {
        prop_assert_eq!(told(&storm), told(&other));
    }

    #[test]
    fn a_storm_takes_no_more_room_than_a_session(storm in prop::collection::vec(any_tiding(), 0..600)) {
        let told = told(&storm);
        prop_assert!(told.exits.len() <= MOST_UIDS && told.leaves.len() <= MOST_UIDS);
        prop_assert!(told.errors.len() <= MOST_TROUBLES && told.warnings.len() <= MOST_TROUBLES);
        prop_assert!(told.videos.len() <= MOST_USERS);
    }

    #[test]
    fn users_of_snapshots_take_bounded_room_in_any_order(
        (taken, other) in prop::collection::vec((0..100_i64, 0..50_i64), 0..300)
            .prop_flat_map(|taken| (Just(taken.clone()), Just(taken).prop_shuffle())),
    ) {
        let took = |all: &[(i64, i64)]| {
            let mut told = Told::default();
            all.iter().for_each(|(user, second)| told.took(*user, at(*second)));
            told
        };
        prop_assert!(took(&taken).taken.len() <= MOST_USERS);
        prop_assert_eq!(took(&taken), took(&other));
    }
}
