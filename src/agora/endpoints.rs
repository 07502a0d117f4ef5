//! Which host is asked next: the vendor's documented ladder of domains.
//!
//! Primary domain, the same once more, the other primary domain (if the name was the trouble), then the hosts of the
//! adjacent region. Repeating a call, and waiting before, is the caller's; what an answer means is `classify`'s.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;

/// How long the ladder stays away from the primary domain before it tries it again. The vendor gives no figure: long
/// enough to sit out a short outage, short enough to come home from a far region the same hour.
const RETURN_AFTER: Duration = Duration::from_secs(600);
/// Suffixes of the vendor's hosts (vendor reference, domain names).
const SUFFIXES: [&str; 2] = ["agora.io", "sd-rtn.com"];

/// A region with hosts of its own (vendor reference, domain names).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Region {
    /// `api-us-west-1`.
    UsWest1,
    /// `api-us-east-1`.
    UsEast1,
    /// `api-ap-southeast-1`.
    ApSoutheast1,
    /// `api-ap-northeast-1`.
    ApNortheast1,
    /// `api-eu-west-1`.
    EuWest1,
    /// `api-eu-central-1`.
    EuCentral1,
    /// `api-cn-east-1`.
    CnEast1,
    /// `api-cn-north-1`.
    CnNorth1,
}

impl Region {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::UsWest1,
        Self::UsEast1,
        Self::ApSoutheast1,
        Self::ApNortheast1,
        Self::EuWest1,
        Self::EuCentral1,
        Self::CnEast1,
        Self::CnNorth1,
    ];

    /// Name as in the vendor's host names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UsWest1 => "us-west-1",
            Self::UsEast1 => "us-east-1",
            Self::ApSoutheast1 => "ap-southeast-1",
            Self::ApNortheast1 => "ap-northeast-1",
            Self::EuWest1 => "eu-west-1",
            Self::EuCentral1 => "eu-central-1",
            Self::CnEast1 => "cn-east-1",
            Self::CnNorth1 => "cn-north-1",
        }
    }

    const fn adjacent(self) -> Self {
        match self {
            Self::UsWest1 => Self::UsEast1,
            Self::UsEast1 => Self::UsWest1,
            Self::ApSoutheast1 => Self::ApNortheast1,
            Self::ApNortheast1 => Self::ApSoutheast1,
            Self::EuWest1 => Self::EuCentral1,
            Self::EuCentral1 => Self::EuWest1,
            Self::CnEast1 => Self::CnNorth1,
            Self::CnNorth1 => Self::CnEast1,
        }
    }

    /// The vendor: `api.sd-rtn.com` from mainland China, `api.agora.io` from elsewhere.
    fn suffixes(self) -> [&'static str; 2] {
        match self {
            Self::CnEast1 | Self::CnNorth1 => [SUFFIXES[1], SUFFIXES[0]],
            Self::UsWest1
            | Self::UsEast1
            | Self::ApSoutheast1
            | Self::ApNortheast1
            | Self::EuWest1
            | Self::EuCentral1 => SUFFIXES,
        }
    }

    /// Its own hosts, under both suffixes.
    fn hosts(self) -> [Url; 2] {
        self.suffixes().map(|suffix| https(&format!("api-{}.{suffix}", self.name())))
    }
}

fn https(host: &str) -> Url {
    Url::parse(&format!("https://{host}")).expect("the vendor's host names are valid")
}

/// A text that names no region.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a region of the vendor's API; it must be one of: {names}", names = Region::ALL.map(Region::name).join(", "))]
pub struct UnknownRegionName(String);

impl FromStr for Region {
    type Err = UnknownRegionName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|region| region.name() == name)
            .ok_or_else(|| UnknownRegionName(name.to_owned()))
    }
}

/// Which region answered an acquire. The session's start goes to it and to no other: a repeated start elsewhere could
/// make a second session. As text (`primary`, or the region's name) it can be kept with the claim.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Route {
    /// The one that the primary domains lead to; with endpoints of the user's, all of those.
    #[default]
    Primary,
    /// A region's own hosts.
    Region(Region),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("primary"),
            Self::Region(region) => f.write_str(region.name()),
        }
    }
}

impl FromStr for Route {
    type Err = UnknownRegionName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "primary" => Ok(Self::Primary),
            name => name.parse().map(Self::Region),
        }
    }
}

/// How an endpoint took a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Health {
    /// It answered, whatever it said.
    Answered,
    /// Its name did not resolve.
    NameFailed,
    /// It could not be reached, broke off, kept silent, or something in front of the service answered.
    NetworkFailed,
}

/// One host to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Rung {
    base: Url,
    route: Route,
    /// Tries before the next one is asked: the vendor asks the primary domain twice.
    tries: u32,
    /// Leads to the same servers as the one before under another name: no help unless the name is the trouble.
    same_servers: bool,
}

/// The endpoint chosen for one request.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) base: Url,
    pub(super) route: Route,
    /// Its place on the ladder, if it has one.
    rung: Option<usize>,
    /// Of all requests that were under way together, only the first failure counts.
    round: u64,
}

impl Endpoint {
    /// Host without port, for metrics and logs.
    pub(super) fn domain(&self) -> &str {
        self.base.host_str().unwrap_or("")
    }
}

/// The ladder. One for all jobs: what one of them learns about the network holds for the others.
#[derive(Debug)]
pub(super) struct Endpoints {
    rungs: Vec<Rung>,
    of_vendor: bool,
    return_after: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: usize,
    failures: u32,
    round: u64,
    away_since: Option<Instant>,
    /// For calls that are bound to a route: how often in a row its hosts failed, and so which of them is next.
    bound: Vec<(Route, u32)>,
}

impl Endpoints {
    /// The vendor's own ladder for a caller nearest to `home`.
    pub(super) fn of_vendor(home: Region, scale: f64) -> Self {
        let adjacent = home.adjacent();
        let rung = |base, route, tries, same_servers| Rung { base, route, tries, same_servers };
        let [first, second] = home.suffixes().map(|suffix| https(&format!("api.{suffix}")));
        let [near, near_too] = adjacent.hosts();
        let rungs = vec![
            rung(first, Route::Primary, 2, false),
            rung(second, Route::Primary, 1, true),
            rung(near, Route::Region(adjacent), 1, false),
            rung(near_too, Route::Region(adjacent), 1, true),
        ];
        Self::new(rungs, true, scale)
    }

    /// Endpoints of the user's, in their order: all of one region, each on servers of its own.
    pub(super) fn given(bases: Vec<Url>, scale: f64) -> Self {
        let rung = |base| Rung { base, route: Route::Primary, tries: 2, same_servers: false };
        Self::new(bases.into_iter().map(rung).collect(), false, scale)
    }

    fn new(rungs: Vec<Rung>, of_vendor: bool, scale: f64) -> Self {
        let state = State { at: 0, failures: 0, round: 0, away_since: None, bound: Vec::new() };
        Self { rungs, of_vendor, return_after: RETURN_AFTER.div_f64(scale), state: Mutex::new(state) }
    }

    /// The endpoint to ask now; with a route, one of that route.
    pub(super) fn choose(&self, bound_to: Option<Route>, now: Instant) -> Endpoint {
        let mut state = self.state();
        if state.away_since.is_some_and(|since| since + self.return_after <= now) {
            // One try is enough to see whether the primary is back.
            state.away_since = Some(now);
            state.climb_to(0, self.rungs[0].tries - 1);
        }
        let here = |rung: usize| {
            let Rung { base, route, .. } = &self.rungs[rung];
            Endpoint { base: base.clone(), route: *route, rung: Some(rung), round: state.round }
        };
        match bound_to {
            Some(route) if self.rungs[state.at].route != route => {
                let bases = self.of_route(route);
                let turn = usize::try_from(state.bound_failures(route)).unwrap_or(0) % bases.len().max(1);
                match bases.into_iter().nth(turn) {
                    Some((base, rung)) => Endpoint { base, route, rung, round: state.round },
                    None => here(state.at),
                }
            }
            Some(_) | None => here(state.at),
        }
    }

    /// What became of the request.
    pub(super) fn report(&self, endpoint: &Endpoint, health: Health, now: Instant) {
        let mut state = self.state();
        match health {
            Health::Answered => {
                state.bound.retain(|(route, _)| *route != endpoint.route);
                if endpoint.rung == Some(state.at) {
                    state.failures = 0;
                    if state.at == 0 {
                        state.away_since = None;
                    }
                }
            }
            Health::NameFailed | Health::NetworkFailed => {
                let current = endpoint.rung == Some(state.at) && endpoint.round == state.round;
                state.count_bound(endpoint.route);
                if current {
                    let failures = state.failures + 1;
                    let at = state.at;
                    match failures < self.rungs[at].tries {
                        true => state.climb_to(at, failures),
                        false => {
                            let next = self.after(at, health);
                            state.climb_to(next, 0);
                            state.away_since = (next != 0).then(|| state.away_since.unwrap_or(now));
                        }
                    }
                }
            }
        }
    }

    /// The next rung; behind the last one comes the first again.
    fn after(&self, rung: usize, health: Health) -> usize {
        let skip_same_servers = health == Health::NetworkFailed;
        (rung + 1..self.rungs.len())
            .find(|next| !(skip_same_servers && self.rungs[*next].same_servers))
            .unwrap_or(0)
    }

    /// The hosts of a route that the ladder has left, or never had (a claim made under other settings). They are
    /// asked in turns, for there is nothing else to try.
    fn of_route(&self, route: Route) -> Vec<(Url, Option<usize>)> {
        let rungs = self.rungs.iter().enumerate().filter(|(_, rung)| rung.route == route);
        let on_ladder: Vec<_> = rungs.map(|(index, rung)| (rung.base.clone(), Some(index))).collect();
        match (route, self.of_vendor) {
            (Route::Region(region), true) if on_ladder.is_empty() => {
                region.hosts().map(|base| (base, None)).to_vec()
            }
            (Route::Region(_) | Route::Primary, _) => on_ladder,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn climb_to(&mut self, rung: usize, failures: u32) {
        self.at = rung;
        self.failures = failures;
        self.round += 1;
    }

    fn bound_failures(&self, route: Route) -> u32 {
        self.bound.iter().find(|(bound, _)| *bound == route).map_or(0, |(_, failures)| *failures)
    }

    fn count_bound(&mut self, route: Route) {
        match self.bound.iter_mut().find(|(bound, _)| *bound == route) {
            Some((_, failures)) => *failures = failures.wrapping_add(1),
            None => self.bound.push((route, 1)),
        }
    }
}

#[cfg(test)]
mod tests;
