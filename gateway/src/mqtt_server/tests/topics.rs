use proptest::prelude::*;

use super::super::topics::{can_match_ours, is_filter, is_name, is_ours, matches};

#[test]
fn a_topic_has_no_wildcard_and_no_nul() {
    assert!(is_name("pantau/dev/temp"));
    assert!(is_name("/"));
    for bad in ["", "a/+/b", "a/#", "a\0b"] {
        assert!(!is_name(bad), "{bad:?}");
    }
}

#[test]
fn wildcards_stand_alone_in_their_level_and_a_hash_is_last() {
    for good in ["#", "+", "a/+/b", "a/#", "+/+", "/", "a//b", "$SYS/#"] {
        assert!(is_filter(good), "{good:?}");
    }
    for bad in ["", "a#", "a/#/b", "a+/b", "+a", "##", "a\0"] {
        assert!(!is_filter(bad), "{bad:?}");
    }
}

#[test]
fn only_filters_that_can_match_the_gateways_own_topics_are_granted() {
    for good in [
        "#",
        "+/#",
        "pantau/#",
        "pantau/+",
        "pantau/time",
        "pantau/cmd/dev-1/#",
        "pantau/alarm/+/x",
        "+/cmd/x",
    ] {
        assert!(can_match_ours(good), "{good:?}");
    }
    for bad in
        ["pantau", "pantau/dev-1", "pantau/time/x", "+", "$SYS/#", "other/#", "pantau/dev/#", "/pantau/time"]
    {
        assert!(!can_match_ours(bad), "{bad:?}");
    }
    assert!(is_ours("pantau/cmd/dev-1/reboot"));
    assert!(!is_ours("pantau/dev-1/temp"));
    assert!(!is_ours("pantau/cmd/#"));
}

#[test]
fn filters_match_as_the_standard_says() {
    for (filter, topic) in [
        ("#", "a/b"),
        ("a/#", "a"),
        ("a/#", "a/b/c"),
        ("a/+", "a/b"),
        ("a/+", "a/"),
        ("+/+", "/x"),
        ("/+", "/x"),
        ("a/b", "a/b"),
    ] {
        assert!(matches(filter, topic), "{filter} {topic}");
    }
    for (filter, topic) in
        [("a/+", "a"), ("a/+", "a/b/c"), ("+", "/x"), ("#", "$SYS/x"), ("+/x", "$SYS/x"), ("a", "b")]
    {
        assert!(!matches(filter, topic), "{filter} {topic}");
    }
}

proptest! {
    #[test]
    fn a_filter_that_matches_one_of_our_topics_is_one_that_can(
        filter in "(pantau|[+]|a)(/(cmd|alarm|time|[+]|x)){0,3}(/#)?",
        topic in "pantau/(time|cmd/[a-b]|alarm/x|cmd/x/time)",
    ) {
        prop_assume!(is_filter(&filter));
        prop_assert!(!matches(&filter, &topic) || can_match_ours(&filter));
    }

    #[test]
    fn no_text_makes_them_panic(filter in "\\PC{0,20}", topic in "\\PC{0,20}") {
        let _ = (is_filter(&filter), is_name(&topic), matches(&filter, &topic), can_match_ours(&filter));
    }
}
