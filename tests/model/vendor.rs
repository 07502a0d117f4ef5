//! The vendor, as small as its rules allow: resourceIds, at most one session each, and what calls do to them. It tells
//! the truth; what the network makes of its answers is the adversary's affair. Shares nothing with the operator.

/// The vendor gives a resourceId this long to be started with.
const RESOURCE_LIFE: i64 = 300;

/// A session is not found this long while it moves to another server.
const MOVING: i64 = 90;

/// A session that was asked for is running this long afterwards.
const COMES_UP_AFTER: i64 = 4;

/// A session alone in its channel ends after so long, as its start asks for.
const IDLE_TIMEOUT: i64 = 300;

/// And has brought its first snapshot by then.
const FIRST_SNAPSHOT_AFTER: i64 = 20;

/// What a session was asked to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Orders {
    /// Which of two bodies.
    pub body: bool,
    /// Which of two subscription lists.
    pub lists: bool,
}

/// What a start brings along.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// By its number.
    pub resource: usize,
    /// What the session shall do.
    pub orders: Orders,
    /// Whether it will ever be running.
    pub comes_up: bool,
    /// When its token ends.
    pub token_end: Option<i64>,
    /// How long it can be controlled.
    pub control_life: i64,
    /// Whether nobody is in its channel, so that it ends by itself.
    pub idles: bool,
}

/// The vendor.
#[derive(Clone, Debug, Default)]
pub struct Vendor {
    /// All resourceIds that were given.
    pub resources: Vec<Resource>,
    /// Requests that were taken and not yet carried out.
    pub late: Vec<Late>,
}

/// A resourceId.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Recorder uid it was acquired for.
    pub uid: i64,
    /// When.
    pub acquired: i64,
    /// The one session that it carries.
    pub session: Option<Session>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Recorder uid in the channel; another one after a failover.
    pub uid: i64,
    /// When it was started.
    pub since: i64,
    /// What it does.
    pub orders: Orders,
    /// Whether it will ever be running.
    pub comes_up: bool,
    /// When it can no longer be queried or stopped.
    pub control_end: i64,
    /// When its token ends, and it with it.
    pub token_end: Option<i64>,
    /// When it ends by itself, for nobody is in its channel.
    pub idle_end: Option<i64>,
    /// How it is.
    pub life: Life,
}

/// How a session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// In the channel.
    Live,
    /// On its way to another server until then.
    Moving(i64),
    /// Over.
    Over,
}

/// A request that was taken and not yet carried out.
#[derive(Clone, Copy, Debug)]
pub enum Late {
    /// A start.
    Start(Asked),
    /// A stop.
    Stop(usize),
}

/// The answer to a start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartAnswer {
    /// 200.
    Started,
    /// 201/7.
    AlreadyStarted,
    /// 400/53.
    Conflict,
    /// 400/433: the resourceId is too old, or had its session.
    ResourceInvalid,
}

/// The answer to a query, an update or a stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// 200: status 5, or 2 while it is not yet running.
    Alive {
        /// Status 4 or 5.
        running: bool,
    },
    /// 404.
    NotFound,
}

impl Session {
    /// Whether it is billed, or will be again.
    pub fn lives(&self) -> bool {
        self.life != Life::Over
    }
}

impl Resource {
    /// Its session, if that is billed or will be again.
    pub fn living(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.lives())
    }
}

impl Vendor {
    /// A new resourceId.
    pub fn acquire(&mut self, uid: i64, now: i64) -> usize {
        self.resources.push(Resource { uid, acquired: now, session: None });
        self.resources.len() - 1
    }

    /// Carries out a start.
    pub fn start(&mut self, asked: &Asked, now: i64) -> StartAnswer {
        let resource = &self.resources[asked.resource];
        if now - resource.acquired > RESOURCE_LIFE {
            return StartAnswer::ResourceInvalid;
        }
        if let Some(session) = &resource.session {
            return if session.lives() { StartAnswer::AlreadyStarted } else { StartAnswer::ResourceInvalid };
        }
        let uid = resource.uid;
        if self.resources.iter().filter_map(Resource::living).any(|session| session.uid == uid) {
            return StartAnswer::Conflict;
        }
        self.resources[asked.resource].session = Some(Session {
            uid,
            since: now,
            orders: asked.orders,
            comes_up: asked.comes_up,
            control_end: now + asked.control_life,
            token_end: asked.token_end,
            idle_end: asked.idles.then_some(now + IDLE_TIMEOUT),
            life: Life::Live,
        });
        StartAnswer::Started
    }

    /// Answers a query.
    pub fn query(&self, resource: usize, now: i64) -> Found {
        let session = self.resources[resource].session.as_ref();
        match session.filter(|session| session.life == Life::Live && now < session.control_end) {
            Some(session) => {
                Found::Alive { running: session.comes_up && now - session.since >= COMES_UP_AFTER }
            }
            None => Found::NotFound,
        }
    }

    /// Carries out an update of the subscription lists.
    pub fn update(&mut self, resource: usize, lists: bool, now: i64) -> Found {
        let found = self.query(resource, now);
        if let (Found::Alive { .. }, Some(session)) = (found, &mut self.resources[resource].session) {
            session.orders.lists = lists;
        }
        found
    }

    /// Carries out a stop.
    pub fn stop(&mut self, resource: usize, now: i64) -> Found {
        let found = self.query(resource, now);
        if let (Found::Alive { .. }, Some(session)) = (found, &mut self.resources[resource].session) {
            session.life = Life::Over;
        }
        found
    }

    /// A session's server fails, and it moves to another.
    pub fn fail_over(&mut self, resource: usize, now: i64) {
        if let Some(session) = &mut self.resources[resource].session {
            session.life = Life::Moving(now + MOVING);
        }
    }

    /// A session ends by itself.
    pub fn end(&mut self, resource: usize) {
        if let Some(session) = &mut self.resources[resource].session {
            session.life = Life::Over;
        }
    }

    /// What time alone does: sessions arrive at their new server, tokens end.
    pub fn time_passed(&mut self, now: i64) {
        for (number, resource) in (0i64..).zip(&mut self.resources) {
            let Some(session) = &mut resource.session else { continue };
            if matches!(session.life, Life::Moving(until) if until <= now) {
                session.life = Life::Live;
                // Random at the vendor, and nobody's.
                session.uid = 900_000 + number;
            }
            if session.token_end.into_iter().chain(session.idle_end).any(|end| end <= now) {
                session.life = Life::Over;
            }
        }
    }

    /// Resources whose session has been running long enough for a snapshot.
    pub fn brought_snapshots(&self, now: i64) -> Vec<usize> {
        let brought = |session: &Session| {
            session.comes_up && session.idle_end.is_none() && now - session.since >= FIRST_SNAPSHOT_AFTER
        };
        let numbered = self.resources.iter().enumerate();
        numbered
            .filter(|(_, resource)| resource.session.as_ref().is_some_and(brought))
            .map(|(number, _)| number)
            .collect()
    }

    /// When a session arrives at its new server, if one is on its way.
    pub fn next_arrival(&self) -> Option<i64> {
        let until = |session: &Session| match session.life {
            Life::Moving(until) => Some(until),
            Life::Live | Life::Over => None,
        };
        self.resources.iter().filter_map(|resource| until(resource.session.as_ref()?)).min()
    }

    /// Resources whose session has not moved yet. A second failover on the heels of the first would be 404 for longer
    /// than the vendor says that it can be.
    pub fn settled(&self) -> Vec<usize> {
        let stays =
            |resource: &Resource| resource.living().is_some_and(|session| session.uid == resource.uid);
        let living = self.living().into_iter();
        living
            .filter(|number| stays(&self.resources[*number]))
            .filter(|number| {
                self.resources[*number].living().is_some_and(|session| session.life == Life::Live)
            })
            .collect()
    }

    /// Resources of whose session a process has ended: the only one, or the one that it moved away from.
    pub fn with_an_ended_process(&self) -> Vec<usize> {
        let ended = |resource: &Resource| {
            resource.session.as_ref().is_some_and(|session| match session.life {
                Life::Live => session.uid != resource.uid,
                Life::Moving(_) | Life::Over => true,
            })
        };
        let numbered = self.resources.iter().enumerate();
        numbered.filter(|(_, resource)| ended(resource)).map(|(number, _)| number).collect()
    }

    /// Resources whose session is billed, or will be again, or may yet come of a start that is on its way.
    pub fn may_live(&self, now: i64) -> Vec<usize> {
        let may_come = |number: usize, resource: &Resource| {
            resource.session.is_none()
                && now - resource.acquired <= RESOURCE_LIFE
                && self.late.iter().any(|late| matches!(late, Late::Start(asked) if asked.resource == number))
        };
        let numbered = self.resources.iter().enumerate();
        numbered
            .filter(|(number, resource)| resource.living().is_some() || may_come(*number, resource))
            .map(|(number, _)| number)
            .collect()
    }

    /// Resources whose session is billed, or will be again.
    pub fn living(&self) -> Vec<usize> {
        let numbered = self.resources.iter().enumerate();
        numbered.filter(|(_, resource)| resource.living().is_some()).map(|(number, _)| number).collect()
    }
}
