//! Which sessions may have written below a folder since some time: where a session whose sid was lost is looked for.
//!
//! Owns the way from sid to sid through a folder that may hold years of snapshots of many jobs: a few names of a session
//! tell when it was there, and the rest of them is jumped over. It leaves to the caller to ask the vendor whether a
//! candidate is the lost session; a name in a bucket proves nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::bucket::Bucket;
use super::file_name::Beginning;
use super::listing::{self, Ask, Budget, Cut, LARGE_PAGE, Limits, Object, Page, SMALL_PAGE};
use super::problem::BucketProblem;
use super::tally;

/// Given at once; each costs the caller a query. The others are given by the next looks.
const MOST: usize = 32;

/// What names of sessions begin with: hexadecimal characters, and the `b` of `bak0_`.
const FIRST: [&str; 22] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "a", "b", "c", "d", "e",
    "f",
];

/// Where the search through one folder goes on. Kept in memory by the caller, who begins a new one for another bucket,
/// folder or time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// Nothing up to this text is wanted any more; in a service without start-after, the last key that was seen.
    after: Option<String>,
    /// Where the service said that it goes on.
    token: Option<String>,
    /// The service does not heed start-after: nothing can be jumped over.
    deaf: bool,
    /// Which of `FIRST` is listed, after a foreign name made the whole folder unreadable.
    narrowed: Option<usize>,
    /// The service told where it goes on, so it would have told again if there were more.
    tells: bool,
    /// What the names of the last session that is too old begin with.
    too_old: Option<String>,
    /// The last page held more than one session: the next one may be large.
    dense: bool,
    /// All pages were seen; what was found may not have been given yet.
    ended: bool,
    /// Earliest time seen of each candidate that was not given yet.
    found: BTreeMap<String, Timestamp>,
}

/// What a look came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Sids as they stand in the names, newest first, at most 32. What was given in an earlier look is not repeated
    /// until the search begins anew.
    pub sids: Vec<String>,
    /// Whether the folder was seen to its end and every candidate given; the search then begins anew. If not, the next
    /// look goes on where this one ended.
    pub complete: bool,
    /// Requests that were made.
    pub requests: u32,
    /// Why it ended early, if not at a limit.
    pub problem: Option<BucketProblem>,
}

impl Bucket {
    /// Sids of sessions that began at `since` or later, as far as the names directly in the folder tell: no session
    /// that has a name there and began since then is left out, one that began earlier may be among them. Goes on from
    /// `search` where a limit cut it.
    ///
    /// A name tells its capture time; where it has none (the playlist of a recording), it is when the object was
    /// written. Both are clocks of others, for which the caller allows in `since`.
    pub async fn candidates(&self, search: &mut Search, since: Timestamp, limits: Limits) -> Found {
        let mut budget = Budget::new(limits);
        let mut problem = None;
        while !search.ended && search.found.len() < MOST {
            if let Err(cut) = self.next_page(search, since, &mut budget).await {
                problem = cut.problem();
                break;
            }
        }
        let sids = search.give();
        let complete = search.ended && search.found.is_empty();
        if complete {
            *search = Search::default();
        }
        Found { sids, complete, requests: budget.made, problem }
    }

    async fn next_page(&self, search: &mut Search, since: Timestamp, budget: &mut Budget) -> Result<(), Cut> {
        let folder = self.folder.as_ref().map(|folder| format!("{folder}/")).unwrap_or_default();
        let prefix = format!("{folder}{}", search.narrowed.map_or("", |nth| FIRST[nth]));
        let ask = Ask {
            prefix: &prefix,
            after: search.after.as_deref().filter(|_| !search.deaf),
            token: search.token.clone(),
            size: search.size(),
            folded: true,
        };
        match listing::page(&*self.store, ask, budget).await {
            Ok(page) => search.take(&folder, page, since),
            Err(Cut::Unreadable) if search.narrowed.is_none() => {
                search.list_from(Some(0));
                Ok(())
            }
            Err(cut) => {
                search.forget_spoiled_token(&cut);
                Err(cut)
            }
        }
    }
}

impl Search {
    fn size(&self) -> usize {
        if self.deaf || self.dense { LARGE_PAGE } else { SMALL_PAGE }
    }

    fn take(&mut self, folder: &str, page: Page, since: Timestamp) -> Result<(), Cut> {
        let Page { objects, folders, token } = page;
        let again = self.after.as_ref().zip(objects.first()).is_some_and(|(after, it)| it.key <= *after);
        if again && self.deaf {
            *self = Self { found: std::mem::take(&mut self.found), ..Self::default() };
            return Err(Cut::Problem(BucketProblem::NoStartAfter));
        }
        if again {
            self.list_from(self.narrowed);
            self.deaf = true;
            return Ok(());
        }
        self.tells |= token.is_some();
        let full = objects.len() + folders.len() >= self.size();
        let mut behind = Vec::new();
        for object in &objects {
            let place = self.see(folder, object, since);
            if behind.last() != Some(&place) {
                behind.push(place);
            }
        }
        self.dense = behind.len() + folders.len() > 1;
        if token.is_none() && (!full || self.deaf && self.tells) {
            match self.narrowed.map(|nth| nth + 1) {
                Some(next) if next < FIRST.len() => self.list_from(Some(next)),
                Some(_) | None => self.ended = true,
            }
            return Ok(());
        }
        if self.deaf {
            if token.is_none() {
                *self = Self { found: std::mem::take(&mut self.found), ..Self::default() };
                return Err(Cut::Problem(BucketProblem::NoStartAfter));
            }
            self.after = objects.into_iter().map(|object| object.key).next_back().or(self.after.take());
            self.token = token;
            return Ok(());
        }
        let last_folder = folders.iter().max().map(|folder| behind_all(folder));
        match (behind.pop(), last_folder, token) {
            // Behind a folder only the service's own token is sure to leave it out.
            (place, Some(folder), Some(token)) if place.as_ref().is_none_or(|place| *place < folder) => {
                self.token = Some(token);
            }
            (None, None, Some(token)) => self.token = Some(token),
            (place, folder, _) => {
                self.after = place.max(folder).or(self.after.take());
                self.token = None;
            }
        }
        Ok(())
    }

    /// Judges one object, and tells where to go on after it.
    fn see(&mut self, folder: &str, object: &Object, since: Timestamp) -> String {
        let name = object.key.strip_prefix(folder).unwrap_or_default();
        // A service may not fold folders.
        if let Some((below, _)) = name.split_once('/') {
            return behind_all(&format!("{folder}{below}/"));
        }
        match Beginning::of(name) {
            Beginning::Cut => object.key.clone(),
            Beginning::Foreign(beginning) => behind_all(&format!("{folder}{beginning}")),
            Beginning::Session { sid, beginning } => {
                let time = tally::time_of(name).unwrap_or(object.modified);
                // One name from before is enough, whatever came later.
                if time < since {
                    self.found.remove(sid);
                    self.too_old = Some(beginning.to_owned());
                } else if self.too_old.as_deref() != Some(beginning) {
                    let earliest = self.found.entry(sid.to_owned()).or_insert(time);
                    *earliest = time.min(*earliest);
                }
                behind_all(&format!("{folder}{beginning}"))
            }
        }
    }

    /// Begins the listing of another part of the folder, or of all of it.
    fn list_from(&mut self, narrowed: Option<usize>) {
        self.narrowed = narrowed;
        self.after = None;
        self.token = None;
        self.dense = false;
    }

    /// A service may no longer know a token that it gave; without it the search goes on after the last jump.
    fn forget_spoiled_token(&mut self, cut: &Cut) {
        let spoiled = match cut {
            Cut::Limit => false,
            Cut::Unreadable => true,
            Cut::Problem(problem) => match problem {
                BucketProblem::Throttled(_) | BucketProblem::Unreachable | BucketProblem::TimedOut => false,
                BucketProblem::AccessDenied(_)
                | BucketProblem::WrongKeys(_)
                | BucketProblem::NoSuchBucket(_)
                | BucketProblem::WrongRegion(_)
                | BucketProblem::Fault(_)
                | BucketProblem::NoStartAfter
                | BucketProblem::Unsupported(_) => true,
            },
        };
        if spoiled && self.token.take().is_some() && self.deaf {
            self.after = None;
        }
    }

    /// Takes out the newest of what was found.
    fn give(&mut self) -> Vec<String> {
        let mut found: Vec<_> = std::mem::take(&mut self.found).into_iter().collect();
        found.sort_by(|(a_sid, a), (b_sid, b)| b.cmp(a).then_with(|| a_sid.cmp(b_sid)));
        self.found = found.split_off(found.len().min(MOST)).into_iter().collect();
        found.into_iter().map(|(sid, _)| sid).collect()
    }
}

/// A text that sorts after all that begins with this one, and before everything else that sorts after them.
fn behind_all(beginning: &str) -> String {
    let mut text = beginning.to_owned();
    while let Some(last) = text.pop() {
        // Past the last character there is no next one, nor is a surrogate one.
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            text.push(next);
            return text;
        }
    }
    char::MAX.to_string()
}

#[cfg(test)]
mod tests;
