-- The advisory lock of an event's code: whoever begins to wait has it alone, whoever commits an event
-- shares it. Internal.
create or replace function {schema}.event_lock(p_app text, p_code text) returns bigint
language sql immutable
return hashtextextended('{schema_name}' || chr(1) || p_app || chr(1) || p_code, 8);
