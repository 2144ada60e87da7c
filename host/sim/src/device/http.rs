//! HTTP, to the device and from it.

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
        // A request does not wait for a hang to end: whoever asks wants to know now.
        if self.is_running() && !self.injector.hangs() {
            self.dispatch(Event::HttpRequest(ticket, request), now, actions);
        }
        let answered = actions[answered_before..]
            .iter()
            .any(|action| matches!(action, Action::HttpRespond(answered, _) if *answered == ticket));
        if !answered {
            let sorry = HttpResponse::text(503, "the device's behaviour is not running\n");
            actions.push(Action::HttpRespond(ticket, sorry));
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
