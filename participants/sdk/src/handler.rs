//! What a handler looks like, and how its types are hidden from those who call it.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt};
use saga_protocol::Json;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Error, Tx};

/// An `async fn(&mut Tx, I, &Context) -> Result<O, Error>`. It writes through the transaction it is
/// given and nothing else: what it does elsewhere happens again whenever the transaction is rolled
/// back.
pub trait Handler<'a, I, O>: Send + Sync {
    /// Runs it.
    fn call(
        &self,
        tx: &'a mut Tx,
        input: I,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<O, Error>>;
}

impl<'a, F, U, I, O> Handler<'a, I, O> for F
where
    F: Fn(&'a mut Tx, I, &'a Context) -> U + Send + Sync,
    U: Future<Output = Result<O, Error>> + Send + 'a,
{
    fn call(
        &self,
        tx: &'a mut Tx,
        input: I,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<O, Error>> {
        self(tx, input, context).boxed()
    }
}

/// An `async fn(I, &Context) -> Result<O, Error>` that works outside the participant's database,
/// such as at a payment provider. It may be called again, also after it has done its work: what it
/// does it does under [`Context::idempotency_key`], by which the other side knows a repeat.
pub trait External<'a, I, O>: Send + Sync {
    /// Runs it.
    fn call(&self, input: I, context: &'a Context) -> BoxFuture<'a, Result<O, Error>>;
}

impl<'a, F, U, I, O> External<'a, I, O> for F
where
    F: Fn(I, &'a Context) -> U + Send + Sync,
    U: Future<Output = Result<O, Error>> + Send + 'a,
{
    fn call(&self, input: I, context: &'a Context) -> BoxFuture<'a, Result<O, Error>> {
        self(input, context).boxed()
    }
}

/// A handler as it was registered.
#[derive(Clone)]
pub(crate) struct Registered {
    /// Where it works.
    pub(crate) work: Work,
    /// How long one call may take.
    pub(crate) within: Duration,
}

/// Where a handler works.
#[derive(Clone)]
pub(crate) enum Work {
    /// In the transaction of its command.
    Inside(Arc<dyn Dispatch>),
    /// Outside the database, after an intent.
    Outside(Arc<dyn DispatchOutside>),
}

/// Why a call did not give an output.
pub(crate) enum Stop {
    /// The body is not what the handler takes.
    BadInput(serde_json::Error),
    /// The output does not become JSON.
    BadOutput(serde_json::Error),
    /// The handler said so.
    Handler(Error),
}

/// A handler without its types.
#[async_trait]
pub(crate) trait Dispatch: Send + Sync {
    /// Reads the body, runs the handler, writes its output.
    async fn dispatch(&self, tx: &mut Tx, body: &[u8], context: &Context) -> Result<Json, Stop>;
}

/// A handler that works outside, without its types.
#[async_trait]
pub(crate) trait DispatchOutside: Send + Sync {
    /// Whether the body is what the handler takes: asked before the intent.
    fn check(&self, body: &[u8]) -> Result<(), serde_json::Error>;

    /// Reads the body, runs the handler, writes its output.
    async fn dispatch(&self, body: &[u8], context: &Context) -> Result<Json, Stop>;
}

/// A handler with its types.
pub(crate) struct Typed<F, I, O> {
    handler: F,
    types: PhantomData<fn(I) -> O>,
}

impl<F, I, O> Typed<F, I, O> {
    pub(crate) fn new(handler: F) -> Self {
        Self { handler, types: PhantomData }
    }
}

#[async_trait]
impl<F, I, O> Dispatch for Typed<F, I, O>
where
    F: for<'a> Handler<'a, I, O>,
    I: DeserializeOwned + Send,
    O: Serialize + Send,
{
    async fn dispatch(&self, tx: &mut Tx, body: &[u8], context: &Context) -> Result<Json, Stop> {
        let input = serde_json::from_slice(body).map_err(Stop::BadInput)?;
        let output = self.handler.call(tx, input, context).await.map_err(Stop::Handler)?;
        serde_json::value::to_raw_value(&output).map_err(Stop::BadOutput)
    }
}

#[async_trait]
impl<F, I, O> DispatchOutside for Typed<F, I, O>
where
    F: for<'a> External<'a, I, O>,
    I: DeserializeOwned + Send,
    O: Serialize + Send,
{
    fn check(&self, body: &[u8]) -> Result<(), serde_json::Error> {
        serde_json::from_slice::<I>(body).map(drop)
    }

    async fn dispatch(&self, body: &[u8], context: &Context) -> Result<Json, Stop> {
        let input = serde_json::from_slice(body).map_err(Stop::BadInput)?;
        let output = self.handler.call(input, context).await.map_err(Stop::Handler)?;
        serde_json::value::to_raw_value(&output).map_err(Stop::BadOutput)
    }
}
