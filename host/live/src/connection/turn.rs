//! One connection, from the attempt to its end.

use std::future::{Future, pending};
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use wasmote_mqtt::client::DisconnectMode;

use super::{Command, End, Ending, Next, SessionTask, ShardEvent, admitted, tell};
use crate::client::{Incident, Outlet, Session, UnderWay};

/// How long a clean farewell may wait for messages that are not yet acknowledged.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a connection has to stand after a silence before it counts as alive. What the broker wrote
/// before it gave up on the device has to be read first, and with it that it closed.
const SETTLE: Duration = Duration::from_millis(250);

/// What is known of the connection while it lasts.
struct Life {
    attempt: u64,
    up: bool,
    /// For the farewell, as the session itself is being turned.
    outlet: Outlet,
    stage: Stage,
    alarm: Option<Pin<Box<Sleep>>>,
    next: Next,
    /// Leave to try, until the broker answers.
    permit: Option<OwnedSemaphorePermit>,
    /// What the farewell waits for.
    under_way: Option<UnderWay>,
    /// The shard is gone, or has no further use for the connection.
    orphaned: bool,
}

/// What the alarm is set for.
enum Stage {
    Turning,
    /// After a silence; the alarm tells that the connection has stood.
    Settling,
    /// What is under way is going out; the alarm tells that it takes too long.
    Emptying,
    /// The DISCONNECT packet waits for acknowledgements.
    Leaving,
}

impl Life {
    fn stage(&mut self, stage: Stage, alarm: Option<Duration>) {
        self.stage = stage;
        self.alarm = alarm.map(|after| Box::pin(sleep_until(Instant::now() + after)));
    }

    fn ending(&self) -> bool {
        matches!(self.stage, Stage::Emptying | Stage::Leaving)
    }

    fn leave(&mut self) {
        self.outlet.leave(FAREWELL);
        // The library has a bound of its own; this one is for a library that does not keep to it.
        self.stage(Stage::Leaving, Some(FAREWELL * 2));
    }
}

impl<S: Session> SessionTask<S> {
    pub(super) async fn turn(&mut self, session: &mut S, attempt: u64) -> (Ending, End) {
        let mut life = Life {
            attempt,
            up: false,
            outlet: session.outlet(),
            stage: Stage::Turning,
            alarm: None,
            next: None,
            permit: None,
            under_way: None,
            orphaned: false,
        };
        let ending = self.turn_until_it_ends(session, &mut life).await;
        (ending, End { next: life.next, under_way: life.under_way })
    }

    async fn turn_until_it_ends(&mut self, session: &mut S, life: &mut Life) -> Ending {
        if let Break(ending) = self.be_admitted(life).await {
            return ending;
        }
        loop {
            let incident = match self.wait_for(pin!(session.poll()), life).await {
                Continue(Ok(incident)) => incident,
                // Told to leave, the library may end in its own way.
                Continue(Err(_)) if life.ending() => return Ending::Left,
                Continue(Err(loss)) => return Ending::Lost(loss),
                Break(ending) => return ending,
            };
            let news = match incident {
                Incident::Connected { session_present } => {
                    life.up = true;
                    life.permit = None;
                    ShardEvent::Connected { attempt: life.attempt, session_present, outlet: session.outlet() }
                }
                Incident::Delivered(message) => ShardEvent::Delivered(message),
                Incident::Asked => ShardEvent::Asked(life.attempt),
                Incident::Left => return Ending::Left,
                Incident::Other => continue,
            };
            if tell(&self.event_sender, self.recipe.number, news).await.is_none() {
                return Ending::Orphaned;
            }
        }
    }

    /// Wait for leave to try while obeying. In a silence the place in the line is given up, and with it the
    /// leave that may have come by then.
    async fn be_admitted(&mut self, life: &mut Life) -> ControlFlow<Ending> {
        let network = Arc::clone(&self.recipe.network);
        loop {
            select! {
                biased;
                command = self.commands.recv(), if !life.orphaned => self.obey(command, life)?,
                permit = admitted(&network), if !self.silent => {
                    life.permit = permit;
                    return Continue(());
                }
            }
        }
    }

    /// Wait for `work` while obeying. It is large, so it stays where the caller has it. It is not turned during
    /// a silence, and only dropped unfinished when the connection ends.
    async fn wait_for<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
        life: &mut Life,
    ) -> ControlFlow<Ending, T> {
        loop {
            select! {
                biased;
                command = self.commands.recv(), if !life.orphaned => self.obey(command, life)?,
                done = &mut work, if !self.silent => return Continue(done),
                () = emptied(&life.stage, &mut life.under_way), if !self.silent => life.leave(),
                () = ring(&mut life.alarm), if !self.silent => self.alarmed(life).await?,
            }
        }
    }

    fn obey(&mut self, command: Option<Command>, life: &mut Life) -> ControlFlow<Ending> {
        match command {
            // A farewell is let finish.
            None if life.ending() => life.orphaned = true,
            None => return Break(Ending::Orphaned),
            Some(Command::Connect(will, attempt)) => {
                life.next = Some((will, attempt));
                if !life.ending() {
                    return Break(Ending::Cut);
                }
            }
            Some(Command::Disconnect(DisconnectMode::PowerLoss | DisconnectMode::Abort, under_way)) => {
                life.next = None;
                life.under_way = life.under_way.take().or(under_way);
                return Break(Ending::Cut);
            }
            Some(Command::Disconnect(DisconnectMode::Clean, under_way)) => {
                life.next = None;
                life.under_way = life.under_way.take().or(under_way);
                // A silenced device cannot take its leave.
                if self.silent || !life.up {
                    return Break(Ending::Cut);
                }
                life.stage(Stage::Emptying, Some(FAREWELL));
            }
            Some(Command::Silence) => {
                self.silent = true;
                // Others need not wait for one that does not try.
                life.permit = None;
            }
            Some(Command::Resume) => {
                let was_silent = std::mem::replace(&mut self.silent, false);
                if was_silent && life.up && !life.ending() {
                    life.stage(Stage::Settling, Some(SETTLE));
                }
            }
        }
        Continue(())
    }

    async fn alarmed(&mut self, life: &mut Life) -> ControlFlow<Ending> {
        life.alarm = None;
        match life.stage {
            Stage::Turning => {}
            // If the broker has closed, that is still to be read.
            Stage::Settling if self.recipe.line.peer_has_closed() => {}
            Stage::Settling => {
                life.stage = Stage::Turning;
                if tell(&self.event_sender, self.recipe.number, ShardEvent::Resumed(life.attempt))
                    .await
                    .is_none()
                {
                    return Break(Ending::Orphaned);
                }
            }
            Stage::Emptying => life.leave(),
            Stage::Leaving => return Break(Ending::Cut),
        }
        Continue(())
    }
}

async fn emptied(stage: &Stage, under_way: &mut Option<UnderWay>) {
    match (stage, under_way) {
        (Stage::Emptying, Some(under_way)) => under_way.settle().await,
        (Stage::Emptying, None) => {}
        _ => pending().await,
    }
}

async fn ring(alarm: &mut Option<Pin<Box<Sleep>>>) {
    match alarm {
        Some(alarm) => alarm.await,
        None => pending().await,
    }
}
