//! A hub, its members and those who ask, across a network that loses, delays, repeats and reorders:
//! what `bad_network.py` says it carried is held against what each of them says it got.
