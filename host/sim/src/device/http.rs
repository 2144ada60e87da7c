//! Inbound and outbound HTTP.

use super::{Device, Now};
use crate::action::Action;
use crate::event::Event;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};

impl Device {
    pub(super) fn http_request(
        &mut self,
        ticket: u64,
        request: HttpRequest,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let answered_before = actions.len();
        // Requests are not deferred by a hang or a pause, because the client waits for the answer.
        if self.is_running() && !self.injector.hangs() && !self.paused {
            self.dispatch_now(Event::HttpRequest(ticket, request), now, actions);
        }
        let answered = actions[answered_before..]
            .iter()
            .any(|action| matches!(action, Action::HttpRespond(answered, _) if *answered == ticket));
        if !answered {
            actions.push(Action::HttpRespond(ticket, HttpResponse::unavailable()));
        }
    }

    pub(super) fn http_reply(
        &mut self,
        id: u64,
        reply: Result<HttpResponse, HttpFailure>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if self.context.as_mut().is_some_and(|context| context.http_done(id)) {
            self.dispatch(Event::HttpReply(id, reply), now, actions);
        }
    }
}
