"""The access token: where others can reach the dashboard, a session needs it for changes."""

import streamlit as st

from euguess.access.policy import AccessPolicy

GRANTED = "access-granted"  # session state: this session has shown the token
FIELD = "access-token"
WHERE = (
    "Whoever runs EUGuess has it. In containers, this prints it: "
    "`docker compose exec -T dashboard cat /run/secrets/access_token`"
)
MAX_CHARACTERS = 200


def may_change(policy: AccessPolicy) -> bool:
    """Check that this session may change anything. Draw no button for a change unless it may:

    a browser can press a button that is only disabled.
    """
    return policy.token is None or st.session_state.get(GRANTED) is True


def ask_for_token(policy: AccessPolicy, purpose: str) -> None:
    """Draw the field for the token, unless this session needs none or has shown it."""
    if may_change(policy):
        return
    with st.form("access", border=True):
        token = st.text_input(
            f"Access token, to {purpose}",
            type="password",
            key=FIELD,
            max_chars=MAX_CHARACTERS,
            help=WHERE,
        )
        is_sent = st.form_submit_button("Unlock", icon=":material/lock_open:")
    if not is_sent:
        return
    if policy.accepts(token):
        st.session_state[GRANTED] = True
        st.rerun()
    st.error("This is not the access token. Nothing was unlocked.", icon=":material/lock:")
