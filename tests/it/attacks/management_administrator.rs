//! An administrator of the management account: trails that move, accounts that leave.
