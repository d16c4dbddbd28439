"""What the sample's reviews are made of: phrases by kind of place or thing, by what they speak about, and by opinion.

Opinions go from 1 (worst) to 5 (best). `{it}` is the thing itself, `{item}`, `{who}` and `{when}` a detail.
"""

from __future__ import annotations

DOMAINS = ("restaurant", "hotel", "product")

IT = {
    "restaurant": "restaurant|place|diner|bistro|cafe|trattoria|noodle bar|taco stand|steakhouse|bakery|sushi bar|pub",
    "hotel": "hotel|inn|guesthouse|resort|motel|bed and breakfast|hostel|apartment hotel|lodge|place",
    "product": "kettle|headset|backpack|desk lamp|keyboard|blender|phone case|tent|vacuum cleaner|coffee grinder"
    "|camera|rain jacket|office chair|toaster|fitness tracker|speaker|suitcase|frying pan",
}
ITEM = {
    "restaurant": "ramen|margherita pizza|fish taco|lamb curry|burger|caesar salad|carbonara|dumpling soup|pad thai"
    "|chocolate cake|grilled salmon|pork belly|mushroom risotto|clam chowder|banana pancake|tuna roll|steak",
    "hotel": "corner room|double room|suite|room on the third floor|room with a balcony|family room|single room"
    "|room over the courtyard|room near the lift|room with a sea view",
    "product": "blue one|small one|large one|black one|newer model|second hand one|travel size|gift set|basic model",
}
WHO = (
    "my wife|my husband|my sister|an old friend|the kids|two colleagues|my parents|my boyfriend|my girlfriend|a client"
    "|my brother in law|our book club|my roommate|the whole family|my grandmother"
)
WHEN = (
    "last Friday|on a rainy Tuesday|during the holidays|in early March|on Sunday morning|last summer|after work"
    "|over the long weekend|in November|two weeks ago|on our anniversary|for a birthday|yesterday|late at night"
)

OPENINGS = {
    "restaurant": "Came here {when} with {who}.|We stopped by {when} for dinner.|I had the {item} and {who} took the"
    " {item2}.|This {it} is two blocks from my office.|Tried this {it} {when}, mainly for the {item}.|A friend told me"
    " about this {it}.|Third visit to this {it}.|I ordered the {item} to go.|We were a party of {number} {when}."
    "|Found this {it} while looking for {item}.|I have walked past this {it} for years.|Lunch here {when}.",
    "hotel": "We stayed here for {number} nights {when}.|Booked a {item} {when} with {who}.|I travel for work and tried"
    " this {it} {when}.|We needed a {it} close to the station.|Our flight was cancelled, so we took a {item} here."
    "|Second stay at this {it}.|{who_cap} and I had a {item} here.|A stopover of one night {when}."
    "|The {it} was booked out except for a {item}.|We picked this {it} from the map.",
    "product": "Bought this {it} {when}.|I ordered the {item} for {who}.|I have used this {it} for {number} months now."
    "|This {it} replaced my old one.|Got this {it} as a present {when}.|My third {it} in {number} years."
    "|I needed a {it} for a trip with {who}.|I compared {number} of these before buying."
    "|The {item} arrived {when}.|I do not usually write about a {it}.",
}

ASIDES = {
    "restaurant": "There is a small parking lot behind the building.|They have a few tables outside.|The menu changes"
    " with the season.|They take cards and cash.|It was about half full when we arrived.|The kitchen closes at"
    " {number}.|{who_cap} ordered the {item2}.|They serve the {item} with rice or bread.|The walls are full of old"
    " photographs.|You order at the counter and find a table.|It gets busy after {number}.|They do deliver as well.",
    "hotel": "Breakfast is served until {number}.|There is a bus stop around the corner.|The lift holds about {number}"
    " people.|We had a {item} facing the street.|Check in was at {number}.|They keep your bags after check out."
    "|There is a small pool on the roof.|{who_cap} had the {item2} next door.|The lobby has been painted grey."
    "|It is {number} minutes on foot from the old town.|Towels are changed every other day.",
    "product": "It comes in {number} colours.|The box has a manual in six languages.|I use it about {number} times a"
    " week.|{who_cap} has the {item2}.|It weighs less than a bag of flour.|It ships with a spare part.|The"
    " cable is about a metre long.|It fits on a normal shelf.|I charged it overnight first.|There is a small"
    " light on the front.|It took {number} days to arrive.|I took the {item}.",
}

# domain -> what is judged -> five opinions, from worst to best
ASPECTS = {
    "restaurant": {
        "food": (
            "the {item} was inedible|the {item} made {who} sick|everything tasted rancid|the {item} was raw",
            "the {item} was bland|the {item} came out cold|the {item} was overcooked|the sauce was watery",
            "the {item} was okay|the {item} was average|the food was fine|the {item} was nothing special",
            "the {item} was tasty|the {item} was really good|the food was fresh|the {item} had a nice flavour",
            "the {item} was the best I ever had|the {item} was incredible|every bite was perfect|the {item} was divine",
        ),
        "service": (
            "the waiter shouted at us|our server was disgusting to {who}|they threw us out|the staff were hostile",
            "the service was slow|our waiter forgot the {item2}|we waited {number}0 minutes|the server seemed annoyed",
            "the service was decent|the staff did their job|service was standard|the waiter was neither fast nor slow",
            "the service was friendly|our server was helpful|the staff were polite|the food came quickly",
            "the staff treated us like royalty|our waitress was wonderful|the service was flawless|the chef greeted us",
        ),
        "price": (
            "the bill was a scam|they charged us twice and refused a refund|an absolute rip off",
            "it was overpriced|too expensive for such small portions|the prices are a bit steep",
            "prices are about normal|you get what you pay for|the price was fair enough",
            "good value|the portions are generous|reasonable prices",
            "amazing value|I cannot believe how cheap this was|worth every penny and more",
        ),
        "room": (
            "the floor was filthy|there was a cockroach under our table|the toilets were revolting",
            "the music was too loud|our table was sticky|it was cramped and noisy",
            "the room is plain|the decor is ordinary|seating is so so",
            "the room is cosy|nice atmosphere|a pleasant terrace",
            "a gorgeous dining room|the atmosphere is magical|a stunning view from our table",
        ),
    },
    "hotel": {
        "room": (
            "the {item} was filthy|there were bed bugs|the {item} had mould on every wall|the door did not lock",
            "the {item} was tiny and dark|the carpet was stained|the {item} smelled of smoke|the mattress was lumpy",
            "the {item} was basic|the {item} was okay for a night|the bed was average|the {item} was plain",
            "the {item} was clean|the bed was comfortable|the {item} was spacious|the {item} was nicely furnished",
            "the {item} was stunning|the best bed I ever slept in|the {item} was spotless and gorgeous",
        ),
        "staff": (
            "reception was hostile|the manager insulted {who}|they lost our booking and did not care",
            "the staff seemed annoyed|reception ignored us for a while|check in was slow",
            "the staff were neutral|reception did the job|check in was standard",
            "the staff were friendly|reception was helpful|check in was quick",
            "the staff were wonderful|they went above and beyond for {who}|the most caring hosts we ever met",
        ),
        "quiet": (
            "drunk people screamed all night and nobody came|the alarm went off {number} times|no sleep at all",
            "the walls are thin|the street was noisy|the air conditioning rattled",
            "some noise, some quiet|it was as loud as any city hotel|the nights were alright",
            "the rooms are quiet|we slept well|a calm street",
            "perfect silence at night|we slept like babies|an oasis of peace",
        ),
        "breakfast": (
            "the eggs at breakfast were rotten|breakfast was inedible|mouse droppings at the buffet",
            "breakfast was bland|the coffee was cold|the buffet was nearly empty",
            "breakfast was average|the buffet was okay|breakfast was nothing special",
            "breakfast was tasty|a good buffet|the coffee was really good",
            "breakfast was incredible|the most amazing buffet|homemade bread to die for",
        ),
    },
    "product": {
        "quality": (
            "it broke on day one|it caught fire|it was dead on arrival|it is complete garbage",
            "it feels flimsy|the handle came loose|it scratches easily|the buttons stick",
            "the quality is average|it is okay|it feels ordinary|nothing special in how it is made",
            "it feels solid|it is well made|the materials are good|it looks nice",
            "it is built like a tank|the quality is outstanding|flawless workmanship|it is a masterpiece",
        ),
        "use": (
            "it never worked|it ruined my {number} hour trip|it is dangerous|totally useless",
            "it is awkward to use|it is slower than promised|it stops now and then|setup was confusing",
            "it does the job|it works as expected|it is neither better nor worse than others",
            "it works well|it is easy to use|setup was quick|it does what I need",
            "it works perfectly|it changed my mornings|I use it every day and adore it|it is incredible",
        ),
        "support": (
            "support insulted me|they refused a refund|the seller is a scam",
            "support was slow|nobody answered for {number} days|the reply was not helpful",
            "support was standard|I got a normal reply|the seller was okay",
            "support was friendly|they answered quickly|the seller was helpful",
            "support was wonderful|they sent a new one for free the same day|the best seller I ever dealt with",
        ),
        "price": (
            "a total waste of money|pure theft at this price|throwing the money away would be better",
            "overpriced|not quite worth the price|a bit too expensive",
            "the price is fair enough|priced like the others|you get what you pay for",
            "good value|reasonably priced|worth the price",
            "an absolute bargain|worth every penny and more|amazing value",
        ),
    },
}

VERDICTS = (
    "Never again.|Avoid at all costs.|Zero stars if I could.|The worst {it} ever.|I want my money back.|Horrible."
    "|A disgrace.",
    "Not going to recommend it.|I expected more.|Disappointing overall.|Probably not again.|Could be a lot better."
    "|A bit of a letdown.",
    "It was alright.|Neither good nor bad.|A mixed bag.|Might give it another chance.|Just average.|So so.",
    "I would recommend it.|Glad we chose it.|Good overall.|Would do it again.|A solid choice.|I am happy with it.",
    "Absolutely love it!|Best {it} ever!|Cannot recommend it enough!|Perfect!|Ten out of ten!|Truly exceptional!",
)

SAME = (" and ", " and ", ", and ", "; ")  # between two opinions of one kind
OPPOSED = (", but ", ", though ", "; still, ", ", yet ")
STARTS = ("", "", "", "", "", "", "", "Honestly, ", "Also, ", "I must say ", "For us ", "As {who} put it: ")
NEGATED = {  # an opinion told by denying its opposite, which a bag of words cannot see
    2: ("I would not call it good", "it was not great", "nobody here was happy with it", "it is hardly a perfect {it}"),
    4: ("there is not much to complain about", "nothing was bad", "it was never disappointing", "no awful surprises"),
}
