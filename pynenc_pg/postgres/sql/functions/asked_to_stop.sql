-- Answers which of the invocations that a runner holds were cancelled meanwhile: hints may be lost.
-- Locks nothing.
create or replace function {schema}.asked_to_stop(p_app text, p_runner text)
returns uuid[] language sql stable {definer} as $$
    select array(
        select s.invocation_id from invocation_state s
        where s.runner_id = p_runner and s.app_id = p_app and s.cancel_requested_at is not null)
$$;
