//! The clients: each has one request under way, tries again where it is told to, and gives up after a while.
//!
//! A request is put to one store after another as long as each refuses it; a refusal promises that nothing has happened. Once
//! a store leaves the outcome open (no answer in time, a broken connection), the client does not know whether its request
//! took effect, or ever will. It must not try again: it takes a new name, and goes on with the next request.

use std::collections::{BTreeMap, VecDeque};

use harness::rng::Stream;
use kv::raftstore::INIT_EPOCH_VERSION;
use proto::kvrpcpb::Context;
use proto::metapb;
use verdict::{ClientRequest, Oddity, Operation, Plan, Request};

use super::event::Event;
use super::laws;
use super::request::{self, Reply};
use super::store::REGION;
use super::world::{Stop, World};
use crate::check::Violation;
use crate::check::history::{Answer, Call, History, Operation as Done, Outcome};

/// Longest way between a client and a store.
const WAY_US: u64 = 1_500;
/// Longest rest before a client asks elsewhere; longer and longer after many refusals.
const REST_US: u64 = 10_000;
/// How long a client is told nothing of a broken connection.
const BREAK_US: u64 = 20_000;

/// All clients of a run.
pub struct Clients {
    /// By position.
    pub all: Vec<Client>,
    /// What they asked for, and what came of it.
    pub history: History,
    attempts: Vec<Attempt>,
    /// Values written so far.
    values: u64,
    /// Requests that nobody answered in time since the faults ended.
    pub unanswered: Vec<String>,
}

/// One client.
pub struct Client {
    /// Its name; a client that does not know what became of a request takes another.
    name: u64,
    /// What it will ask for, and not before when.
    todo: VecDeque<(u64, ClientRequest)>,
    current: Option<Current>,
    /// Number of its last request.
    requests: u64,
    /// Store that it takes for the leader.
    believes: usize,
    /// Values that it saw last, by key.
    seen: BTreeMap<u64, Option<bytes::Bytes>>,
    /// Draws made so far.
    draws: u64,
}

/// A request under way.
struct Current {
    number: u64,
    request: ClientRequest,
    call: Call,
    invoked: u64,
    tries: u64,
    /// The attempt that is out.
    attempt: Option<usize>,
}

/// A request on its way to one store, or back.
struct Attempt {
    client: usize,
    store: usize,
    /// Life of the store that took it; 0 before.
    life: u64,
    oddity: Oddity,
    call: Call,
    reply: Option<Reply>,
}

impl Clients {
    /// The clients of a plan.
    pub fn new(plan: &Plan) -> Clients {
        let clients = plan.knobs.store.clients.max(1);
        let mut all: Vec<Client> = (0..clients)
            .map(|at| Client {
                name: at + 1,
                todo: VecDeque::new(),
                current: None,
                requests: 0,
                believes: (at % plan.knobs.nodes) as usize,
                seen: BTreeMap::new(),
                draws: 0,
            })
            .collect();
        for timed in &plan.operations {
            if let Operation::Client(request) = timed.what {
                let at = (request.client.max(1) - 1) % clients;
                all[at as usize].todo.push_back((timed.at_us, request));
            }
        }
        let history = History::default();
        Clients { all, history, attempts: Vec::new(), values: 0, unanswered: Vec::new() }
    }

    /// Nobody asks for anything any more, beyond what is under way.
    pub fn forget_plans(&mut self) {
        self.all.iter_mut().for_each(|client| client.todo.clear());
    }

    /// Whether nothing is under way, and nothing is to come.
    pub fn are_idle(&self) -> bool {
        self.all.iter().all(|client| client.current.is_none() && client.todo.is_empty())
    }

    /// Requests that have come to an end.
    pub fn done(&self) -> usize {
        self.history.operations.len()
    }

    /// Position of the store that an attempt goes to.
    pub fn store_of(&self, attempt: usize) -> usize {
        self.attempts[attempt].store
    }

    /// Name of a client, and what it is asking for.
    pub fn asking(&self, at: usize) -> Option<(u64, &Call, usize)> {
        let client = &self.all[at];
        client.current.as_ref().map(|current| (client.name, &current.call, client.believes))
    }

    /// What is under way, in words.
    pub fn under_way(&self) -> Vec<String> {
        let current = self.all.iter().filter_map(|client| Some((client, client.current.as_ref()?)));
        current.map(|(client, now)| format!("client {}: {}", client.name, now.call)).collect()
    }
}

impl World<'_> {
    /// A client takes up its next request if it has none, or tries its request again.
    pub fn on_ask(&mut self, at: usize) -> Result<(), Stop> {
        let client = &mut self.clients.all[at];
        if client.current.is_none() {
            let Some(&(not_before, request)) = client.todo.front() else { return Ok(()) };
            if not_before > self.now {
                self.queue.push(not_before, Event::Ask { client: at });
                return Ok(());
            }
            client.todo.pop_front();
            self.begin_request(at, request);
        }
        self.attempt(at);
        Ok(())
    }

    /// Gives a client something more to ask for.
    pub fn add_request(&mut self, at: usize, request: Request) {
        let client = &mut self.clients.all[at];
        let request = ClientRequest { client: at as u64 + 1, request, oddity: Oddity::None };
        client.todo.push_back((self.now, request));
        if client.current.is_none() && client.todo.len() == 1 {
            self.queue.push(self.now, Event::Ask { client: at });
        }
    }

    fn begin_request(&mut self, at: usize, request: ClientRequest) {
        self.clients.values += 1;
        let client = &mut self.clients.all[at];
        let knobs = &self.plan.knobs.store;
        let value = request::unique_value(client.name, self.clients.values, knobs.value_bytes);
        let call = request::call_of(&request.request, &client.seen, value);
        client.requests += 1;
        let number = client.requests;
        let timeout = self.now + knobs.timeout_ms * 1_000;
        self.queue.push(timeout, Event::Timeout { client: at, request: number });
        let invoked = self.now;
        client.current = Some(Current { number, request, call, invoked, tries: 0, attempt: None });
    }

    /// Puts the request at hand to a store.
    fn attempt(&mut self, at: usize) {
        let stores = self.stores.len() as u64;
        let way = self.client_draw(at, WAY_US);
        let any = self.client_draw(at, stores) as usize;
        let client = &mut self.clients.all[at];
        let Some(current) = &mut client.current else { return };
        if current.attempt.is_some() {
            return;
        }
        let oddity = if current.tries == 0 { current.request.oddity } else { Oddity::None };
        current.tries += 1;
        let store = if oddity == Oddity::AnyStore { any } else { client.believes };
        let number = self.clients.attempts.len();
        current.attempt = Some(number);
        let call = current.call.clone();
        let tries = current.tries;
        self.clients.attempts.push(Attempt { client: at, store, life: 0, oddity, call, reply: None });
        self.queue.push(self.now + 1 + way, Event::Arrive { attempt: number });
        if tries == 1 {
            self.tell_client(at, true, None);
        }
    }

    /// A request arrives at a store.
    pub fn on_arrive(&mut self, attempt: usize) -> Result<(), Stop> {
        let Attempt { store, oddity, .. } = self.clients.attempts[attempt];
        if !self.stores[store].is_up() {
            let why = "nobody listens";
            self.reply(attempt, 0, Reply::Refused { leader: None, why });
            return Ok(());
        }
        self.clients.attempts[attempt].life = self.stores[store].life;
        let call = self.clients.attempts[attempt].call.clone();
        let context = self.context(store, oddity);
        let seam = self.seam(store);
        self.at(store, "a client's request", |running| {
            request::put_to(&running.service, &call, context, seam, attempt);
        })
    }

    fn context(&self, store: usize, oddity: Oddity) -> Context {
        let mut region = self.region.clone();
        if oddity == Oddity::StaleEpoch {
            let epoch = region.region_epoch.get_or_insert_default();
            epoch.version = INIT_EPOCH_VERSION - 1;
        }
        if oddity == Oddity::OtherRegion {
            region.id = REGION + 1;
        }
        let meant = if oddity == Oddity::OtherStore { (store + 1) % self.stores.len() } else { store };
        let peer: Option<metapb::Peer> = region.peers.get(meant).cloned();
        Context { region_id: region.id, region_epoch: region.region_epoch, peer, term: 0 }
    }

    /// A store has answered; the answer is on its way.
    pub fn reply(&mut self, attempt: usize, stall_us: u64, reply: Reply) {
        let client = self.clients.attempts[attempt].client;
        self.clients.attempts[attempt].reply = Some(reply);
        let way = self.client_draw(client, WAY_US);
        self.queue.push(self.now + stall_us + 1 + way, Event::Answer { attempt });
    }

    /// A store is gone: who waits for it will hear that the connection broke.
    pub fn break_connections(&mut self, store: usize, life: u64) {
        for at in 0..self.clients.all.len() {
            let Some(attempt) = self.clients.all[at].current.as_ref().and_then(|current| current.attempt)
            else {
                continue;
            };
            let Attempt { store: to, life: taken_in, ref reply, .. } = self.clients.attempts[attempt];
            if to == store && taken_in == life && reply.is_none() {
                let late = self.client_draw(at, BREAK_US);
                self.reply(attempt, late, Reply::Broken);
            }
        }
    }

    /// An answer arrives at its client.
    pub fn on_answer(&mut self, attempt: usize) -> Result<(), Stop> {
        let Attempt { client: at, store, oddity, ref mut reply, .. } = self.clients.attempts[attempt];
        let reply = reply.take().unwrap_or(Reply::Broken);
        let client = &mut self.clients.all[at];
        let Some(current) = client.current.as_mut().filter(|current| current.attempt == Some(attempt)) else {
            return Ok(());
        };
        current.attempt = None;
        match reply {
            Reply::Answer(answer) => {
                self.check_oddity(store, oddity)?;
                self.clients.all[at].believes = store;
                self.end_request(at, Outcome::Ok(answer));
            }
            Reply::Refused { leader, .. } => {
                let tries = current.tries;
                self.go_elsewhere(at, store, leader, tries);
            }
            // Asking again for what changes nothing is safe.
            _ if !request::writes(&current.call) => {
                let tries = current.tries;
                self.go_elsewhere(at, store, None, tries);
            }
            Reply::Open(_) | Reply::Broken => self.end_request(at, Outcome::Unknown),
        }
        Ok(())
    }

    /// What is wrong must be refused.
    fn check_oddity(&self, store: usize, oddity: Oddity) -> Result<(), Stop> {
        let what = match oddity {
            Oddity::None | Oddity::AnyStore => return Ok(()),
            Oddity::StaleEpoch => "an epoch that is over",
            Oddity::OtherStore => "the peer of another store",
            Oddity::OtherRegion => "a region that does not exist",
        };
        let node = store as u64 + 1;
        let seen = format!("n{node} served a request that named {what}");
        Err(Violation { rule: &laws::REFUSES, node, seen }.into())
    }

    fn go_elsewhere(&mut self, at: usize, from: usize, leader: Option<u64>, tries: u64) {
        let rest = self.client_draw(at, REST_US * tries.clamp(1, 10));
        let stores = self.stores.len();
        let told = leader.map(|id| id as usize).filter(|id| (1..=stores).contains(id)).map(|id| id - 1);
        let client = &mut self.clients.all[at];
        client.believes = told.filter(|to| *to != from).unwrap_or((from + 1) % stores);
        self.queue.push(self.now + 500 + rest, Event::Ask { client: at });
    }

    /// A client has waited long enough for this request.
    pub fn on_timeout(&mut self, at: usize, request: u64) {
        let client = &self.clients.all[at];
        let Some(current) = client.current.as_ref().filter(|current| current.number == request) else {
            return;
        };
        if current.invoked >= self.acts.serves_since {
            let call = format!("client {}: {}", client.name, current.call);
            self.clients.unanswered.push(call);
        }
        let open = current.attempt.is_some() && request::writes(&current.call);
        self.end_request(at, if open { Outcome::Unknown } else { Outcome::Failed });
    }

    fn end_request(&mut self, at: usize, outcome: Outcome) {
        self.tell_client(at, false, Some(&outcome));
        let clients = self.clients.all.len() as u64;
        let client = &mut self.clients.all[at];
        let Some(current) = client.current.take() else { return };
        if let Outcome::Ok(answer) = &outcome {
            remember(&mut client.seen, &current.request.request, &current.call, answer);
        }
        let name = client.name;
        if outcome == Outcome::Unknown {
            client.name += clients;
        }
        let Current { call, invoked, .. } = current;
        self.clients.history.push(Done { client: name, call, invoked, returned: self.now, outcome });
        self.queue.push(self.now + 1, Event::Ask { client: at });
    }

    /// What is still under way when the run ends has an unknown outcome.
    pub fn close_history(&mut self) {
        for client in &mut self.clients.all {
            let Some(Current { call, invoked, .. }) = client.current.take() else { continue };
            let outcome = Outcome::Unknown;
            let done = Done { client: client.name, call, invoked, returned: self.now, outcome };
            self.clients.history.push(done);
        }
    }

    fn client_draw(&mut self, at: usize, below: u64) -> u64 {
        let client = &mut self.clients.all[at];
        client.draws += 1;
        self.noise.below(Stream::Client, at as u64, client.draws, below)
    }
}

fn remember(seen: &mut BTreeMap<u64, Option<bytes::Bytes>>, request: &Request, call: &Call, answer: &Answer) {
    let (Request::Get { key } | Request::Put { key } | Request::Delete { key } | Request::Cas { key }) =
        *request
    else {
        return;
    };
    let value = match (call, answer) {
        (_, Answer::Value(value)) => value.clone(),
        (
            Call::Put { value, .. } | Call::Cas { value, .. },
            Answer::Done | Answer::Swapped { done: true, .. },
        ) => Some(value.clone()),
        (_, Answer::Swapped { previous, .. }) => previous.clone(),
        _ => None,
    };
    seen.insert(key, value);
}
