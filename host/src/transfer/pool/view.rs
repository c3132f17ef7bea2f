//! How a site's sessions and servers stand, for people.

use super::Pool;
use super::health::Standing;
use crate::model::Site;

/// The sessions with one server of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerView {
    /// `host:port`.
    pub server: String,
    /// `alive`, `suspect` or `down`; of a site with one server nothing is kept but its sessions.
    pub standing: Option<&'static str>,
    /// Its share of the work now, in percent of what its weight says.
    pub share_percent: Option<u32>,
    /// Sessions that lie unused.
    pub idle: usize,
    /// Sessions that are in use, or being made.
    pub leased: usize,
    /// Transfers and other steps that wait for one.
    pub waiting: usize,
    /// Most sessions at once, as far as the server taught us to have fewer than are configured.
    pub cap: Option<usize>,
    /// Logins since the process began.
    pub logins: u64,
    /// Sessions that were used again.
    pub reuses: u64,
    /// Logins that failed, and sessions that no longer answered when they were to be used again.
    pub failures: u64,
    /// Parts that couldn't be removed because it was gone, and will be when it is back.
    pub parts_left: usize,
}

impl Pool {
    /// How the sessions of a site stand, server by server.
    pub(in crate::transfer) fn view(&self, site: &Site) -> Vec<ServerView> {
        let several = site.servers.endpoints.len() > 1;
        let fleet = several.then(|| self.known_fleet(site)).flatten();
        let book = self.inner.book();
        let view = |endpoint: &crate::model::Endpoint| {
            let server = endpoint.to_string();
            let member = fleet.as_ref().and_then(|fleet| fleet.named(&server));
            let standing = member.as_ref().map(super::Member::standing);
            let mut view = ServerView {
                server,
                standing: standing.map(|(standing, _)| match standing {
                    Standing::Alive => "alive",
                    Standing::Suspect => "suspect",
                    Standing::Down => "down",
                }),
                share_percent: standing.map(|(_, percent)| percent),
                parts_left: member.as_ref().map_or(0, super::Member::left),
                ..ServerView::default()
            };
            let here = if several { site.at(endpoint) } else { site.clone() };
            if let Some(shelf) = book.find(&here, several) {
                view.idle = shelf.idle.len();
                view.leased = shelf.out;
                view.waiting = shelf.queue.len();
                view.cap = shelf.cap.map(|(cap, _)| cap);
                view.logins = shelf.counts.logins;
                view.reuses = shelf.counts.reuses;
                view.failures = shelf.counts.failures;
            }
            view
        };
        site.endpoints().iter().map(view).collect()
    }
}
