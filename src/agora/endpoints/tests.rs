//! The ladder, step by step, in virtual time.

use super::*;

fn base(endpoint: &Endpoint) -> &str {
    endpoint.base.as_str()
}

/// The hosts that are asked one after the other when each fails like this.
fn walk(endpoints: &Endpoints, health: Health, bound_to: Option<Route>, steps: usize) -> Vec<String> {
    let now = Instant::now();
    (0..steps)
        .map(|_| {
            let endpoint = endpoints.choose(bound_to, now);
            endpoints.report(&endpoint, health, now);
            endpoint.domain().to_owned()
        })
        .collect()
}

const PRIMARY: &str = "api.agora.io";
const OTHER: &str = "api.sd-rtn.com";
const NEAR: &str = "api-us-west-1.agora.io";
const NEAR_TOO: &str = "api-us-west-1.sd-rtn.com";

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_leads_down_the_whole_ladder() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    let asked = walk(&endpoints, Health::NameFailed, None, 7);
    assert_eq!(asked, [PRIMARY, PRIMARY, OTHER, NEAR, NEAR_TOO, PRIMARY, PRIMARY]);
}

#[tokio::test(start_paused = true)]
async fn a_network_failure_skips_the_other_name_of_the_same_servers() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    let asked = walk(&endpoints, Health::NetworkFailed, None, 6);
    assert_eq!(asked, [PRIMARY, PRIMARY, NEAR, PRIMARY, PRIMARY, NEAR]);
}

#[tokio::test(start_paused = true)]
async fn mainland_china_has_the_other_primary() {
    let endpoints = Endpoints::of_vendor(Region::CnEast1, 1.0);
    let asked = walk(&endpoints, Health::NameFailed, None, 5);
    assert_eq!(asked, [OTHER, OTHER, PRIMARY, "api-cn-north-1.sd-rtn.com", "api-cn-north-1.agora.io"]);
}

#[tokio::test(start_paused = true)]
async fn a_route_is_never_left() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    let asked = walk(&endpoints, Health::NetworkFailed, Some(Route::Primary), 8);
    assert!(asked.iter().all(|host| host == PRIMARY || host == OTHER), "{asked:?}");
    assert!(asked.iter().any(|host| host == OTHER), "{asked:?}");

    let near = Route::Region(Region::UsWest1);
    let asked = walk(&endpoints, Health::NetworkFailed, Some(near), 8);
    assert!(asked.iter().all(|host| host == NEAR || host == NEAR_TOO), "{asked:?}");
    assert!(asked.iter().any(|host| host == NEAR) && asked.iter().any(|host| host == NEAR_TOO), "{asked:?}");

    // A region that this ladder does not have: the claim was made with another `home`.
    let far = Route::Region(Region::EuCentral1);
    let asked = walk(&endpoints, Health::NetworkFailed, Some(far), 3);
    assert_eq!(
        asked,
        ["api-eu-central-1.agora.io", "api-eu-central-1.sd-rtn.com", "api-eu-central-1.agora.io"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_answering_region_is_the_route() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    assert_eq!(endpoints.choose(None, Instant::now()).route, Route::Primary);
    walk(&endpoints, Health::NetworkFailed, None, 2);
    assert_eq!(endpoints.choose(None, Instant::now()).route, Route::Region(Region::UsWest1));
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_together_count_once() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    let now = Instant::now();
    for expected in [PRIMARY, PRIMARY, NEAR] {
        let volley: Vec<Endpoint> = (0..50).map(|_| endpoints.choose(None, now)).collect();
        assert!(volley.iter().all(|endpoint| endpoint.domain() == expected), "{expected}");
        volley.iter().for_each(|endpoint| endpoints.report(endpoint, Health::NetworkFailed, now));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_forgets_the_failure_before_it() {
    let endpoints = Endpoints::of_vendor(Region::UsEast1, 1.0);
    let now = Instant::now();
    for _ in 0..5 {
        let asked = walk(&endpoints, Health::NetworkFailed, None, 1);
        assert_eq!(asked, [PRIMARY]);
        endpoints.report(&endpoints.choose(None, now), Health::Answered, now);
    }
}

#[tokio::test(start_paused = true)]
async fn the_primary_is_tried_again_after_a_while() {
    for scale in [1.0, 60.0] {
        let endpoints = Endpoints::of_vendor(Region::UsEast1, scale);
        let away = Instant::now();
        walk(&endpoints, Health::NetworkFailed, None, 2);
        let just_before = away + Duration::from_secs(599).div_f64(scale);
        let endpoint = endpoints.choose(None, just_before);
        assert_eq!(endpoint.domain(), NEAR);
        endpoints.report(&endpoint, Health::Answered, just_before);
        // Still down: one try, and away for as long again.
        let later = away + Duration::from_secs(600).div_f64(scale);
        let endpoint = endpoints.choose(None, later);
        assert_eq!(endpoint.domain(), PRIMARY);
        endpoints.report(&endpoint, Health::NetworkFailed, later);
        assert_eq!(endpoints.choose(None, later + Duration::from_secs(599).div_f64(scale)).domain(), NEAR);
        // Up again: it stays.
        let later = later + Duration::from_secs(600).div_f64(scale);
        endpoints.report(&endpoints.choose(None, later), Health::Answered, later);
        assert_eq!(endpoints.choose(None, later + Duration::from_secs(5000)).domain(), PRIMARY);
        walk(&endpoints, Health::NetworkFailed, None, 1);
        assert_eq!(endpoints.choose(None, later).domain(), PRIMARY);
    }
}

#[tokio::test(start_paused = true)]
async fn given_endpoints_are_asked_in_their_order_and_are_one_region() {
    let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2/base"].map(|url| Url::parse(url).unwrap());
    let endpoints = Endpoints::given(urls.to_vec(), 1.0);
    let now = Instant::now();
    let mut asked = Vec::new();
    for bound_to in [None, Some(Route::Primary), Some(Route::Region(Region::UsWest1)), None, None] {
        let endpoint = endpoints.choose(bound_to, now);
        asked.push(base(&endpoint).to_owned());
        assert_eq!(endpoint.route, Route::Primary);
        endpoints.report(&endpoint, Health::NetworkFailed, now);
    }
    let (first, second) = ("http://127.0.0.1:1/", "http://127.0.0.1:2/base");
    assert_eq!(asked, [first, first, second, second, first]);
}

#[test]
fn routes_can_be_kept_as_text() {
    let routes = Region::ALL.map(Route::Region).into_iter().chain([Route::Primary]);
    for route in routes {
        assert_eq!(route.to_string().parse(), Ok(route));
    }
    let refused = "mars-1".parse::<Route>().unwrap_err().to_string();
    assert!(refused.contains("mars-1") && refused.contains("eu-central-1"), "{refused}");
}
