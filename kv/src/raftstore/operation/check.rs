//! What is checked before a command is proposed, so that a client hears at once what it did wrong. Epoch and range are checked
//! again when the command is applied, as they may change in between.

use proto::raft_cmdpb::{CmdType, RaftCmdRequest, RaftRequestHeader, Request};

use crate::engine::{Cf, KEY_BYTES_MAX};
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::{check_end_key_in_region, check_key_in_region, check_region_epoch};
use crate::raftstore::peer::Peer;
use proto::metapb::Region;

/// The header of a command; an empty one if it has none.
pub fn header_of(request: &RaftCmdRequest) -> RaftRequestHeader {
    request.header.clone().unwrap_or_default()
}

impl Peer {
    /// Checks that `request` is meant for this peer, here and now, and that this peer may propose it.
    ///
    /// # Errors
    /// In this order: `StoreNotMatch`; `NotLeader`, with the leader if it is known; `EpochNotMatch` if another peer is meant;
    /// `StaleCommand` if the sender's term is more than one behind; `EpochNotMatch`; `KeyNotInRegion` or `Invalid` for
    /// requests that no region, or not this one, can serve.
    pub fn pre_propose_raft_command(&self, ctx: &StoreContext, request: &RaftCmdRequest) -> Result<()> {
        let header = header_of(request);
        self.check_store_id(ctx, &header)?;
        if !self.is_leader() {
            return Err(self.not_leader());
        }
        self.check_peer_id(&header)?;
        self.check_term(&header)?;
        check_region_epoch(request, self.region(), true)?;
        check_shape(request)?;
        request.requests.iter().try_for_each(|one| check_request(one, self.region()))
    }

    /// That this peer does not lead, and who does.
    pub fn not_leader(&self) -> Error {
        Error::NotLeader { region_id: self.region_id, leader: self.get_peer_from_cache(self.leader_id()) }
    }

    /// Checks that the command is for this store.
    ///
    /// # Errors
    /// `StoreNotMatch`.
    pub fn check_store_id(&self, ctx: &StoreContext, header: &RaftRequestHeader) -> Result<()> {
        match header.peer.as_ref().map(|peer| peer.store_id) {
            Some(request) if request != ctx.store_id => {
                Err(Error::StoreNotMatch { request, actual: ctx.store_id })
            }
            _ => Ok(()),
        }
    }

    /// Another peer of the region on this store means other members.
    fn check_peer_id(&self, header: &RaftRequestHeader) -> Result<()> {
        let meant = header.peer.as_ref().map_or(0, |peer| peer.id);
        if meant == self.peer_id() { Ok(()) } else { Err(Error::EpochNotMatch(vec![self.region().clone()])) }
    }

    /// A sender that is one term behind has just missed an election, and what it means may well still hold; one that is
    /// further behind has been out of touch for so long that it must look again.
    fn check_term(&self, header: &RaftRequestHeader) -> Result<()> {
        if header.term > 0 && self.term() > header.term + 1 { Err(Error::StaleCommand) } else { Ok(()) }
    }
}

/// Checks that a command is either an administrative one, or only reads, or only writes.
fn check_shape(request: &RaftCmdRequest) -> Result<()> {
    let invalid = |why: &str| Err(Error::Invalid(why.to_owned()));
    if request.admin_request.is_some() {
        return if request.requests.is_empty() { Ok(()) } else { invalid("an admin request goes alone") };
    }
    let reads = request.requests.iter().filter(|one| is_read(one.cmd_type())).count();
    match (reads, request.requests.len()) {
        (_, 0) => invalid("an empty command"),
        (reads, all) if reads == 0 || reads == all => Ok(()),
        _ => invalid("reads and writes cannot go together"),
    }
}

/// Whether this kind of request leaves the data as it is.
pub fn is_read(cmd_type: CmdType) -> bool {
    match cmd_type {
        CmdType::Get | CmdType::Snap => true,
        CmdType::Invalid | CmdType::Put | CmdType::Delete | CmdType::DeleteRange => false,
    }
}

/// Checks that a request can be carried out on `region`. The same request is checked on every replica, so the answer depends on
/// nothing but the arguments.
///
/// # Errors
/// `KeyNotInRegion`; `Invalid` for a key, column family or kind of request that does not exist.
pub fn check_request(request: &Request, region: &Region) -> Result<()> {
    match request.cmd_type() {
        CmdType::Get => {
            let get = request.get.as_ref().ok_or_else(missing)?;
            check_key(&get.cf, &get.key, region)
        }
        CmdType::Put => {
            let put = request.put.as_ref().ok_or_else(missing)?;
            check_key(&put.cf, &put.key, region)
        }
        CmdType::Delete => {
            let delete = request.delete.as_ref().ok_or_else(missing)?;
            check_key(&delete.cf, &delete.key, region)
        }
        CmdType::DeleteRange => {
            let range = request.delete_range.as_ref().ok_or_else(missing)?;
            cf_of(&range.cf)?;
            check_key_in_region(&range.start_key, region)?;
            check_end_key_in_region(&range.end_key, region)
        }
        CmdType::Snap => Ok(()),
        CmdType::Invalid => Err(Error::Invalid("a request of no kind".to_owned())),
    }
}

/// The column family that a request names.
///
/// # Errors
/// `Invalid` if clients have no such family.
pub fn cf_of(name: &str) -> Result<Cf> {
    Cf::of_client(name).ok_or_else(|| Error::Invalid(format!("there is no column family {name:?}")))
}

/// What a request without its arguments is told.
pub fn missing() -> Error {
    Error::Invalid("the request has no arguments".to_owned())
}

/// An engine refuses such keys, and would refuse everything else in the same batch with them.
fn check_key(cf: &str, key: &[u8], region: &Region) -> Result<()> {
    cf_of(cf)?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let bytes = key.len();
        return Err(Error::Invalid(format!(
            "a key of {bytes} bytes: keys are 1 to {KEY_BYTES_MAX} bytes long"
        )));
    }
    check_key_in_region(key, region)
}
