//! What all raw requests, and all raw answers, have in common.

use proto::errorpb;
use proto::kvrpcpb::{
    Context, RawBatchDeleteRequest, RawBatchDeleteResponse, RawBatchGetRequest, RawBatchGetResponse,
    RawBatchPutRequest, RawBatchPutResponse, RawCasRequest, RawCasResponse, RawDeleteRangeRequest,
    RawDeleteRangeResponse, RawDeleteRequest, RawDeleteResponse, RawGetRequest, RawGetResponse,
    RawPutRequest, RawPutResponse, RawScanRequest, RawScanResponse,
};

use crate::storage::{Error, Result};

/// A request for one region.
pub trait Request: Send + 'static {
    /// Which region, and what the client knows of it.
    fn context(&self) -> Context;
}

/// An answer to such a request.
pub trait Response: Default + Send + 'static {
    /// The answer that sends the client to another region or store, or tells it to try again.
    fn of_region_error(error: errorpb::Error) -> Self;

    /// The answer that tells the client that its request is wrong.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the message has no place for that; the network has (`InvalidArgument`).
    fn of_invalid(why: String) -> Result<Self>;
}

/// The answer to a request, failed or not: all errors that have a place in the message are put there.
///
/// # Errors
/// What has no place in the message.
pub fn settle<R: Response>(result: Result<R>) -> Result<R> {
    match result {
        Err(Error::Region(error)) => Ok(R::of_region_error(*error)),
        Err(Error::Invalid(why)) => R::of_invalid(why),
        result => result,
    }
}

macro_rules! requests {
    ($($name:ident)*) => {$(
        impl Request for $name {
            fn context(&self) -> Context {
                self.context.clone().unwrap_or_default()
            }
        }
    )*};
}

macro_rules! responses {
    (with error: $($name:ident)*) => {$(
        impl Response for $name {
            fn of_region_error(error: errorpb::Error) -> $name {
                $name { region_error: Some(error), ..$name::default() }
            }

            fn of_invalid(why: String) -> Result<$name> {
                Ok($name { error: why, ..$name::default() })
            }
        }
    )*};
    (without error: $($name:ident)*) => {$(
        impl Response for $name {
            fn of_region_error(error: errorpb::Error) -> $name {
                $name { region_error: Some(error), ..$name::default() }
            }

            fn of_invalid(why: String) -> Result<$name> {
                Err(Error::Invalid(why))
            }
        }
    )*};
}

requests! {
    RawGetRequest RawPutRequest RawDeleteRequest RawScanRequest RawBatchGetRequest RawBatchPutRequest
    RawBatchDeleteRequest RawDeleteRangeRequest RawCasRequest
}
responses! { with error:
    RawGetResponse RawPutResponse RawDeleteResponse RawBatchPutResponse RawBatchDeleteResponse
    RawDeleteRangeResponse RawCasResponse
}
responses! { without error: RawScanResponse RawBatchGetResponse }
