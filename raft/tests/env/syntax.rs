//! The commands of golden scripts, and how each is written.

use std::str::FromStr;

use raft::{Index, PeerId, Term};

/// `1/2/3`, or `all`.
#[derive(Clone, Debug, Default)]
pub struct Ids(pub Vec<u64>);

impl FromStr for Ids {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> std::result::Result<Ids, Self::Err> {
        if text == "all" || text.is_empty() {
            return Ok(Ids(Vec::new()));
        }
        text.split('/').map(u64::from_str).collect::<std::result::Result<_, _>>().map(Ids)
    }
}

/// `5@2`: index 5 of term 2; a list is `5@2/6@3`.
#[derive(Clone, Debug, Default)]
pub struct Positions(pub Vec<(Index, Term)>);

impl FromStr for Positions {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Positions, String> {
        let one = |part: &str| {
            let (index, term) = part.split_once('@')?;
            Some((index.parse().ok()?, term.parse().ok()?))
        };
        let parts = text.split('/').filter(|part| !part.is_empty());
        parts
            .map(|part| one(part).ok_or(format!("'{part}' is not index@term")))
            .collect::<std::result::Result<_, _>>()
            .map(Positions)
    }
}

/// A command of a golden script.
#[derive(Debug, goldenscript::Command)]
pub enum Command {
    /// Starts peers 1 to `nodes`, of which `learners` are learners, with the given configuration: `cluster nodes=3`. If a
    /// `leader` is given, it is elected in term 1, and everybody has applied its first entry; the transcript is left out.
    Cluster {
        #[arg(key)]
        nodes: u64,
        #[arg(key, optional)]
        learners: Ids,
        #[arg(key)]
        election_ticks: Option<u32>,
        #[arg(key)]
        heartbeat_ticks: Option<u32>,
        #[arg(key)]
        max_message_bytes: Option<u64>,
        #[arg(key)]
        max_ready_bytes: Option<u64>,
        #[arg(key)]
        max_inflight: Option<usize>,
        #[arg(key, optional)]
        pre_vote: bool,
        #[arg(key, optional)]
        check_quorum: bool,
        #[arg(key, optional)]
        lease_reads: bool,
        #[arg(key, optional)]
        manual: bool,
        #[arg(key)]
        leader: Option<PeerId>,
    },
    /// Starts peer `id`, or starts it again, with a log whose entries have the given `terms`, and `fill` as their command:
    /// `disk 2 terms=1/1/4 term=7`.
    Disk {
        id: PeerId,
        #[arg(key, optional)]
        terms: Ids,
        #[arg(key)]
        term: Option<Term>,
        #[arg(key, optional)]
        vote: PeerId,
        #[arg(key, optional)]
        commit: Index,
        #[arg(key, optional)]
        fill: String,
    },
    /// Starts a peer that is to join, with an empty log and the cluster's first members.
    Start(PeerId),
    /// Stops a peer; what it has not written is lost.
    Crash(PeerId),
    /// Starts a peer from its disk.
    Restart(PeerId),
    /// Lets a peer campaign.
    Campaign(PeerId),
    /// Advances the clocks of some peers by a number of ticks: `tick 1 5`, `tick all`.
    Tick(Ids, #[arg(optional)] Option<u32>),
    /// Proposes commands, one after the other before any work is done: `propose 1 foo bar`.
    Propose(PeerId, Vec<String>),
    /// Proposes a membership change: `conf 1 add=4`.
    Conf {
        id: PeerId,
        #[arg(key)]
        add: Option<PeerId>,
        #[arg(key)]
        learner: Option<PeerId>,
        #[arg(key)]
        remove: Option<PeerId>,
    },
    /// Asks a peer for handing leadership to another: `transfer 1 2`.
    Transfer(PeerId, PeerId),
    /// Asks a peer for a linearizable read: `read 1 a`.
    Read(PeerId, String),
    /// Tells a leader that a message got lost, or how a snapshot arrived: `report 1 snapshot=2 failed=true`.
    Report {
        id: PeerId,
        #[arg(key)]
        unreachable: Option<PeerId>,
        #[arg(key)]
        snapshot: Option<PeerId>,
        #[arg(key, optional)]
        failed: bool,
    },
    /// Replaces a log up to an index, or all that is applied, by a snapshot: `compact 1 3`.
    Compact(PeerId, #[arg(optional)] Option<Index>),
    /// Delivers the messages that are on their way now, or those that match. `copy=true` leaves them on their way, too;
    /// `last=true` takes only the youngest.
    Deliver {
        #[arg(key)]
        from: Option<PeerId>,
        #[arg(key)]
        to: Option<PeerId>,
        #[arg(key)]
        kind: Option<String>,
        #[arg(key, optional)]
        copy: bool,
        #[arg(key, optional)]
        last: bool,
    },
    /// Loses messages, all or those that match.
    Drop {
        #[arg(key)]
        from: Option<PeerId>,
        #[arg(key)]
        to: Option<PeerId>,
        #[arg(key)]
        kind: Option<String>,
    },
    /// Delivers until nothing is on its way, or nothing between the given peers.
    Stabilize(#[arg(optional)] Option<Ids>),
    /// Cuts the network: the given peers on one side, all others on the other.
    Partition(Ids),
    /// Ends the cut.
    Heal,
    /// Gives a made-up message to a peer: `step 2 MsgAppend from=1 term=2 prev=1@1 entries=2@2 commit=1`.
    Step {
        id: PeerId,
        kind: String,
        #[arg(key)]
        from: PeerId,
        #[arg(key)]
        term: Term,
        #[arg(key, optional)]
        prev: Positions,
        #[arg(key, optional)]
        entries: Positions,
        #[arg(key, optional)]
        commit: Index,
        #[arg(key, optional)]
        reject: bool,
        #[arg(key, optional)]
        hint: Index,
        #[arg(key, optional)]
        snapshot: Positions,
        #[arg(key, optional)]
        voters: Ids,
        #[arg(key, optional)]
        learners: Ids,
    },
    /// Shows peers: `status`, `status 1/2`.
    Status(#[arg(optional)] Option<Ids>),
    /// Shows the log on a peer's disk.
    Log(Ids),
    /// Shows what a leader knows of the others.
    Progress(PeerId),
    /// Shows what a state machine holds.
    App(Ids),
    /// Shows the members that a peer knows.
    Members(PeerId),
    /// Shows the messages on their way.
    Messages,
    /// Manual clusters: takes the next `Ready`, and shows it.
    Ready(PeerId),
    /// Manual clusters: writes what the `Ready` in hand asks for.
    Write(PeerId),
    /// Manual clusters: sends its messages.
    Send(PeerId),
    /// Manual clusters: applies all committed entries handed out so far, without reporting it.
    Apply(PeerId),
    /// Manual clusters: reports it as done.
    Advance(PeerId),
    /// Manual clusters: reports how far the state machine is.
    Applied(PeerId),
    /// Manual clusters: does all the work there is.
    Work(PeerId),
}
