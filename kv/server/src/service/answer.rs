//! From a callback to an answer on the wire.

use std::time::{Duration, Instant};

use kv::storage::{Callback, Error};
use proto::errorpb;
use proto::kvrpcpb::*;
use tokio::sync::oneshot;
use tonic::{Response, Status};

use crate::metrics::Requests;

/// Starts a request by `start`, waits for its callback, and counts how it went. Gives it up after `timeout`: then nobody
/// listens to the callback any more, but a write may still take effect. A shorter deadline of the client (`grpc-timeout`)
/// is kept by tonic, which drops this future.
pub(super) async fn answer<A: Answer>(
    requests: &Requests,
    timeout: Duration,
    start: impl FnOnce(Callback<A>),
) -> Result<Response<A>, Status> {
    let began = Instant::now();
    let (sender, receiver) = oneshot::channel();
    start(Box::new(move |result| {
        // An error means that the client has gone.
        let _ = sender.send(result);
    }));
    let answer = match tokio::time::timeout(timeout, receiver).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(status(&error)),
        Ok(Err(_)) => Err(Status::unavailable("the store stops: whether a write took effect is unknown")),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no answer within {} ms: whether a write takes effect is unknown",
            timeout.as_millis()
        ))),
    };
    requests.took.observe(began.elapsed());
    match &answer {
        Ok(answer) if answer.region_error().is_some() => requests.region_errors.add(1),
        Ok(answer) if answer.error().is_empty() => {}
        _ => requests.errors.add(1),
    }
    answer.map(Response::new)
}

/// What has no place in an answer.
fn status(error: &Error) -> Status {
    match error {
        Error::Invalid(why) => Status::invalid_argument(why),
        Error::Engine(why) => Status::unavailable(format!("the store stops: {why}")),
        Error::Region(error) => Status::unavailable(&error.message),
        Error::Undetermined(_) => Status::unavailable(error.to_string()),
    }
}

/// An answer, as far as it is counted.
pub(super) trait Answer: Send + 'static {
    /// The client should look elsewhere, or try again.
    fn region_error(&self) -> Option<&errorpb::Error>;
    /// The request is refused; empty if not.
    fn error(&self) -> &str;
}

macro_rules! answers {
    ($($answer:ident $(, $error:ident)?;)*) => {$(
        impl Answer for $answer {
            fn region_error(&self) -> Option<&errorpb::Error> {
                self.region_error.as_ref()
            }

            fn error(&self) -> &str {
                answers!(self $(, $error)?)
            }
        }
    )*};
    ($self:ident) => { "" };
    ($self:ident, $error:ident) => { &$self.$error };
}

answers! {
    RawGetResponse, error;
    RawPutResponse, error;
    RawDeleteResponse, error;
    RawScanResponse;
    RawBatchGetResponse;
    RawBatchPutResponse, error;
    RawBatchDeleteResponse, error;
    RawDeleteRangeResponse, error;
    RawCasResponse, error;
}
