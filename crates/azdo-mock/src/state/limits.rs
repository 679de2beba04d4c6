//! How long jobs may run. The service keeps the time, not the agent: the agent only sees that its job is cancelled.

use jiff::{SignedDuration, Timestamp};

use super::State;
use crate::wire::ids::RequestId;

impl State {
    /// Cancels the jobs that have run longer than they may (azure-devops-docs: phases.md, "Timeouts": the time that a job
    /// waits for an agent does not count).
    pub(super) fn expire_time_limits(&mut self, now: Timestamp) {
        let over = |since: Timestamp, minutes: u32| {
            let limit = SignedDuration::from_mins(minutes.into());
            now.duration_since(since) > limit
        };
        let due: Vec<_> = self
            .due_requests(now)
            .filter(|request| request.finish_time.is_none() && request.cancel_deadline.is_none())
            .filter(|request| request.limits.timeout > 0)
            .filter(|request| request.receive_time.is_some_and(|since| over(since, request.limits.timeout)))
            .map(|request| (request.id, request.limits.timeout))
            .collect();
        for (id, minutes) in due {
            if self.cancel(id, now).is_ok() {
                self.blame_limit(id, minutes);
            }
        }
    }

    /// Says in the job's record why it was cancelled, in the service's words.
    fn blame_limit(&mut self, id: RequestId, minutes: u32) {
        let Some(request) = self.requests.get(&id) else { return };
        let agent = request.assignment.as_ref().map_or("", |held| held.agent_name.as_str());
        let message = format!(
            "The job running on agent {agent} ran longer than the maximum time of {minutes} minutes. For more \
             information, see https://go.microsoft.com/fwlink/?linkid=2077134"
        );
        self.report_error(id, &message);
    }
}
